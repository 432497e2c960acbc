/**
 * A public key as text: 32 bytes are 52 base32 characters; four blocks of 13 get one check character each, and the 56
 * characters are written in 8 groups of 7.
 *
 * The check character makes a weighted sum over GF(32) come out as a constant of its block. All 14 weights differ, so one
 * changed character and two exchanged ones within a block are always noticed, and blocks cannot be exchanged. (Luhn mod 32,
 * as in Syncthing's device IDs, misses an A next to a 7.)
 */

import { HomewardError } from '../wire/errors.ts'
import { BASE32_ALPHABET, base32Value, decodeBase32, encodeBase32, tidyBase32 } from './base32.ts'

const UID_CHARACTERS = 56
const GROUP = 7
const BLOCK_DATA = 13
const BLOCK = BLOCK_DATA + 1

/** Powers of a generator of GF(32) modulo x^5 + x^2 + 1; the 31 powers are the 31 non-zero elements. */
const POWERS = powersOfTwo()

/** `publicKey` has 32 bytes. */
export function formatUid(publicKey: Uint8Array): string {
  if (publicKey.byteLength !== 32) {
    throw new HomewardError('INTERNAL', `a public key has 32 bytes, not ${publicKey.byteLength}`)
  }
  const data = encodeBase32(publicKey)
  let text = ''
  for (let block = 0; block * BLOCK_DATA < data.length; block++) {
    const part = data.slice(block * BLOCK_DATA, (block + 1) * BLOCK_DATA)
    text += part + BASE32_ALPHABET.charAt(checkValue(part, block))
  }
  return groupsOf(text).join('-')
}

/**
 * The key of a UID as a person typed it: lower case, spaces, missing dashes and 0 1 8 for O I B are fine.
 * Throws UID_INVALID, which names the group with the mistake.
 */
export function parseUid(text: string): Uint8Array {
  const tidy = tidyBase32(text)
  const foreign = [...tidy].findIndex((character) => base32Value(character) < 0)
  if (foreign >= 0) {
    const character = [...tidy][foreign]
    throw invalid(`group ${Math.floor(foreign / GROUP) + 1} holds "${character}", which no UID contains`)
  }
  if (tidy.length !== UID_CHARACTERS) throw invalid(lengthMessage(text, tidy))
  let data = ''
  for (let block = 0; block * BLOCK < tidy.length; block++) {
    const part = tidy.slice(block * BLOCK, (block + 1) * BLOCK)
    const body = part.slice(0, BLOCK_DATA)
    if (base32Value(part.slice(BLOCK_DATA)) !== checkValue(body, block)) {
      throw invalid(`group ${block * 2 + 1} or ${block * 2 + 2} (${groupsOf(part).join('-')}) holds a typo`)
    }
    data += body
  }
  const key = decodeBase32(data)
  if (key === undefined) throw invalid('group 8 holds a typo')
  return key
}

/** The first group: enough to tell a household's devices apart, not to find or prove one. */
export function shortId(publicKey: Uint8Array): string {
  return formatUid(publicKey).slice(0, GROUP)
}

function lengthMessage(text: string, tidy: string): string {
  const groups = text.split(/[\s\p{Dash}]+/u).filter((group) => group !== '')
  const odd = groups.findIndex((group) => group.length !== GROUP)
  const where =
    groups.length > 1 && odd >= 0 ? `; group ${odd + 1} (${groups[odd]}) has ${groups[odd]?.length}, not ${GROUP}` : ''
  return `it has ${tidy.length} characters, not ${UID_CHARACTERS}${where}`
}

function invalid(why: string): HomewardError {
  return new HomewardError('UID_INVALID', `not a UID: ${why}`, {
    hint: 'Copy it again from `homeward storage uid` or from the storage page.',
  })
}

function groupsOf(text: string): string[] {
  return Array.from({ length: Math.ceil(text.length / GROUP) }, (_, at) => text.slice(at * GROUP, (at + 1) * GROUP))
}

/** Weights are α^1 … α^13 for the data and α^0 for the check character itself. */
function checkValue(data: string, block: number): number {
  let sum = block + 1
  for (let at = 0; at < data.length; at++) sum ^= multiply(base32Value(data.charAt(at)), at + 1)
  return sum
}

/** `value` times α^`power`, power + log(value) below 62. */
function multiply(value: number, power: number): number {
  if (value === 0) return 0
  return POWERS[(POWERS.indexOf(value) + power) % 31] ?? 0
}

function powersOfTwo(): readonly number[] {
  const powers: number[] = []
  for (let value = 1; powers.length < 31; value = value & 16 ? ((value << 1) ^ 0x25) & 31 : value << 1) {
    powers.push(value)
  }
  return powers
}
