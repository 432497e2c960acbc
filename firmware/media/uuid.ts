/** Boxes of a project's own type (ISO/IEC 14496-12 §4.2, type `uuid`): players pass over those they do not know. */
import { HomewardError } from '../wire/errors.ts'
import { type Box, box } from './boxes.ts'
import { malformed } from './fields.ts'

export const USER_TYPE_BYTES = 16

/** A `uuid` box: its user type (16 bytes, e.g. a random UUID fixed once), then `parts`. */
export function uuidBox(userType: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  if (userType.byteLength !== USER_TYPE_BYTES) {
    throw new HomewardError('INTERNAL', `a user type has ${USER_TYPE_BYTES} bytes, not ${userType.byteLength}`)
  }
  return box('uuid', userType, ...parts)
}

/**
 * What follows the user type in a `uuid` box, sharing its memory; undefined for a box of another type or user type.
 * Throws MEDIA_MALFORMED when a `uuid` box is too short for a user type.
 */
export function uuidBody(found: Box, userType: Uint8Array): Uint8Array | undefined {
  if (found.type !== 'uuid') return undefined
  if (found.body.byteLength < USER_TYPE_BYTES) throw malformed(`uuid box with ${found.body.byteLength} bytes in it`)
  const same = userType.every((byte, index) => found.body[index] === byte)
  return same && userType.byteLength === USER_TYPE_BYTES ? found.body.subarray(USER_TYPE_BYTES) : undefined
}
