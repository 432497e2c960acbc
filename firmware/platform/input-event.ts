/** struct input_event of a 64-bit kernel (include/uapi/linux/input.h): two 64-bit times, type, code, value. */

export const INPUT_EVENT_BYTES = 24
const TYPE_AT = 16
const CODE_AT = 18
const VALUE_AT = 20
const EV_KEY = 1
const RELEASED = 0
const PRESSED = 1

/** Presses and releases of one key in `bytes`, in order; auto-repeat, other keys and half an event are passed over. */
export function keyChanges(bytes: Buffer, key: number): boolean[] {
  const changes: boolean[] = []
  for (let at = 0; at + INPUT_EVENT_BYTES <= bytes.length; at += INPUT_EVENT_BYTES) {
    if (bytes.readUInt16LE(at + TYPE_AT) !== EV_KEY || bytes.readUInt16LE(at + CODE_AT) !== key) continue
    const value = bytes.readInt32LE(at + VALUE_AT)
    if (value === PRESSED || value === RELEASED) changes.push(value === PRESSED)
  }
  return changes
}
