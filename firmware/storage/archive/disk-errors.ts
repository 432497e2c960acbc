/** What a failed system call on the storage disk means to the one who waits for an ACK. */
import { HomewardError, systemCode } from '../../wire/errors.ts'

/** A HomewardError for `error`; one that is ours already stays as it is. `what` says what was being done. */
export function diskError(error: unknown, what: string): HomewardError {
  if (error instanceof HomewardError) return error
  const reason = error instanceof Error ? error.message : String(error)
  switch (systemCode(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new HomewardError('DISK_FULL', `${what}: the storage disk is full`, {
        hint: 'Lower the retention or delete footage; the cameras keep theirs until there is room.',
        cause: error,
      })
    case 'EROFS':
      return new HomewardError('DISK_READ_ONLY', `${what}: the storage disk is read-only`, {
        hint: 'The system usually does this after an error of the disk: look at `dmesg`, check the disk, mount it again.',
        cause: error,
      })
    case 'ENODEV':
    case 'ENXIO':
      return diskMissing(`${what}: ${reason}`, error)
    default:
      return new HomewardError('DISK_FAILED', `${what}: ${reason}`, {
        hint: 'If it happens again, look at `dmesg` and at the health of the disk.',
        cause: error,
      })
  }
}

export function diskMissing(what: string, cause?: unknown): HomewardError {
  return new HomewardError('DISK_MISSING', what, {
    hint: 'Connect and mount the storage disk; the cameras keep their footage meanwhile.',
    cause,
  })
}

export function cancelled(what: string): HomewardError {
  return new HomewardError('CANCELLED', `${what} was cancelled`)
}

/** Throws CANCELLED when `signal` is aborted. */
export function checkSignal(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw cancelled(what)
}
