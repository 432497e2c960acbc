/** An error as a person reads it on the page. Pure. */
import { errorLine, isHomewardError } from '../../../wire/errors.ts'

/** Where the page knows better what to do next than the device, which also answers programs. */
const OWN: Readonly<Record<string, string>> = {
  CLAIM_CODE_WRONG:
    'That is not the claim code, or it has run out. Type `homeward storage claim` on the storage device for a new one.',
  PASSWORD_WRONG:
    'That is not the password. Forgotten? Type `homeward storage passwd` on the storage device to set another one.',
  ALREADY_CLAIMED:
    'This device has an owner already. Sign in with the password; the page shows the form when it is reloaded.',
  SIGNED_OUT: 'You are signed out: the session has ended. Sign in again.',
  DISK_MISSING:
    'The disk is not there. Check its cable and power; the cameras keep everything on their cards meanwhile.',
}

export function errorText(error: unknown): string {
  if (!isHomewardError(error)) return 'The page met a fault of its own. Reload it.'
  const own = OWN[error.code]
  if (own !== undefined) return own
  const line = errorLine(error)
  return `${line[0]?.toUpperCase() ?? ''}${line.slice(1)}`
}
