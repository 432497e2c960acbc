/** The end of a program of scripts/ that did not do what was asked. */
import { errorLine, HomewardError, isUsageError } from '../../firmware/wire/errors.ts'

/** What is no error of ours is a fault of the program, and shows where. */
export function reportFailure(error: unknown): void {
  if (!(error instanceof HomewardError)) throw error
  // What a tool said keeps its lines.
  const text = error.code === 'INTERNAL' ? [error.message, error.hint].filter(Boolean).join('\n') : errorLine(error)
  process.stderr.write(`homeward: ${text}\n`)
  process.exitCode = isUsageError(error) ? 2 : 1
}
