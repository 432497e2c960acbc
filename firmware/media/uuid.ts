/** Boxes of a project's own type (ISO/IEC 14496-12 §4.2, type `uuid`): players pass over those they do not know. */
import { HomewardError } from '../wire/errors.ts'
import { box } from './boxes.ts'

const USER_TYPE_BYTES = 16

/** A `uuid` box: its user type (16 bytes, e.g. a random UUID fixed once), then `parts`. */
export function uuidBox(userType: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  if (userType.byteLength !== USER_TYPE_BYTES) {
    throw new HomewardError('INTERNAL', `a user type has ${USER_TYPE_BYTES} bytes, not ${userType.byteLength}`)
  }
  return box('uuid', userType, ...parts)
}
