/** Finds the fake encoder's frame numbers in anything its footage was stored as, without decoding a picture. */
import { readBoxes } from '../../media/boxes.ts'
import { malformed, u32At } from '../../media/fields.ts'
import { type FrameNumber, readNumberSei } from './frame-sei.ts'

/**
 * The numbers of all frames in the order they are stored. `bytes` is a fragment, a file, or several of either one after the
 * other; each mdat in it must hold the one H.264 track of the fake encoder, with 4-byte NAL unit lengths.
 * Throws MEDIA_MALFORMED.
 */
export function readFrameNumbers(bytes: Uint8Array): FrameNumber[] {
  const numbers: FrameNumber[] = []
  for (const box of readBoxes(bytes, { openEnd: true })) {
    if (box.type !== 'mdat') continue
    let at = 0
    while (at < box.body.byteLength) {
      const start = at + 4
      const end = start + (start <= box.body.byteLength ? u32At(box.body, at) : 0)
      if (end <= start || end > box.body.byteLength) throw malformed(`NAL unit at ${at} of an mdat is cut off or empty`)
      const number = readNumberSei(box.body.subarray(start, end))
      if (number !== undefined) numbers.push(number)
      at = end
    }
  }
  return numbers
}
