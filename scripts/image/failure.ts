/** The end of a program of scripts/ that did not do what was asked. */
import { errorLine, HomewardError, isUsageError } from '../../firmware/wire/errors.ts'

/** What is no error of ours is a fault of the program, and shows where. */
export function reportFailure(error: unknown): void {
  if (!(error instanceof HomewardError)) throw error
  process.stderr.write(error.code === 'INTERNAL' ? `homeward: ${error.message}\n` : `homeward: ${errorLine(error)}\n`)
  process.exitCode = isUsageError(error) ? 2 : 1
}
