import { type ErrorCode, isHomewardError } from './errors.ts'

const NO_ERROR = 'no error'

/** How `work` ended: the code of its error, or `no error`. An error that is not ours is thrown on. */
export async function codeOf(work: Promise<unknown> | (() => unknown)): Promise<ErrorCode | typeof NO_ERROR> {
  try {
    await (typeof work === 'function' ? work() : work)
    return NO_ERROR
  } catch (error) {
    return codeIn(error)
  }
}

/** The same of work that is done when it returns. */
export function codeThrown(work: () => unknown): ErrorCode | typeof NO_ERROR {
  try {
    work()
    return NO_ERROR
  } catch (error) {
    return codeIn(error)
  }
}

function codeIn(error: unknown): ErrorCode {
  if (isHomewardError(error)) return error.code
  throw error
}
