/** Base32 (RFC 4648 alphabet, no padding), and what people make of it when they type it. Pure. */

export const BASE32_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** Digits that are not in the alphabet stand for the letters they look like. */
const LOOKALIKES: Readonly<Record<string, string>> = { '0': 'O', '1': 'I', '8': 'B' }

/** Upper case, look-alikes replaced, spaces and dashes gone. What remains may still hold foreign characters. */
export function tidyBase32(text: string): string {
  return text
    .toUpperCase()
    .replaceAll(/[\s\p{Dash}]/gu, '')
    .replaceAll(/[018]/g, (digit) => LOOKALIKES[digit] ?? digit)
}

/** The value of a character, 0 to 31, or -1. */
export function base32Value(character: string): number {
  return character.length === 1 ? BASE32_ALPHABET.indexOf(character) : -1
}

export function encodeBase32(bytes: Uint8Array): string {
  let text = ''
  let buffer = 0
  let bits = 0
  for (const byte of bytes) {
    buffer = (buffer << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += BASE32_ALPHABET.charAt((buffer >>> bits) & 31)
    }
    buffer &= (1 << bits) - 1
  }
  if (bits > 0) text += BASE32_ALPHABET.charAt((buffer << (5 - bits)) & 31)
  return text
}

/** Undefined when a character is foreign, the length is impossible, or the bits past the last byte are not zero. */
export function decodeBase32(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8))
  let buffer = 0
  let bits = 0
  let at = 0
  for (const character of text) {
    const value = base32Value(character)
    if (value < 0) return undefined
    buffer = (buffer << 5) | value
    bits += 5
    if (bits >= 8) {
      bits -= 8
      bytes[at++] = buffer >>> bits
      buffer &= (1 << bits) - 1
    }
  }
  return bits < 5 && buffer === 0 ? bytes : undefined
}
