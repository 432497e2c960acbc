/** Texts where bytes are counted: cut to a length, and inside of binary messages. */
import type { ByteReader, ByteWriter } from './bytes.ts'
import { HomewardError } from './errors.ts'

/** At most `maxBytes` of UTF-8, never half a character. */
export function cutToBytes(text: string, maxBytes: number): string {
  let kept = ''
  let bytes = 0
  for (const character of text) {
    bytes += Buffer.byteLength(character)
    if (bytes > maxBytes) break
    kept += character
  }
  return kept
}

/** A length byte and UTF-8. Throws INTERNAL when the text is too long. */
export function writeText(writer: ByteWriter, text: string, maxBytes: number): void {
  const bytes = Buffer.from(text, 'utf8')
  if (bytes.byteLength > maxBytes) {
    throw new HomewardError('INTERNAL', `a text of ${bytes.byteLength} bytes where ${maxBytes} are allowed`)
  }
  writer.u8(bytes.byteLength).bytes(bytes)
}

/** Throws FRAME_MALFORMED when the length is above `maxBytes` or the bytes are not UTF-8. */
export function readText(reader: ByteReader, maxBytes: number): string {
  const length = reader.u8()
  if (length > maxBytes) throw new HomewardError('FRAME_MALFORMED', `a text of ${length} bytes, at most ${maxBytes}`)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(reader.bytes(length))
  } catch (cause) {
    if (cause instanceof HomewardError) throw cause
    throw new HomewardError('FRAME_MALFORMED', 'a text is not UTF-8', { cause })
  }
}
