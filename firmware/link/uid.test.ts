import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { seededRandom } from '../platform/random.ts'
import { HomewardError } from '../wire/errors.ts'
import { BASE32_ALPHABET } from './base32.ts'
import { formatUid, parseUid, shortId } from './uid.ts'

const random = seededRandom(7)
const keys = [
  new Uint8Array(32),
  new Uint8Array(32).fill(255),
  ...Array.from({ length: 20 }, () => random.bytes(32)),
] as const

function messageOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    assert.instance(error, HomewardError)
    assert.is((error as HomewardError).code, 'UID_INVALID')
    return (error as HomewardError).message
  }
  return 'accepted'
}

const plain = (key: Uint8Array) => formatUid(key).replaceAll('-', '')

test('56 characters in 8 groups of 7, and back', () => {
  for (const key of keys) {
    assert.match(formatUid(key), /^[A-Z2-7]{7}(-[A-Z2-7]{7}){7}$/)
    assert.equal(parseUid(formatUid(key)), key)
  }
})

test('a fixed UID, so that no change goes unnoticed', () => {
  const key = Uint8Array.from({ length: 32 }, (_, at) => at)
  assert.is(formatUid(key), 'AAAQEAY-EAUDAO4-CAJBIFQ-YDIOB4R-IBCEQTC-QKRMFYS-YDENBWH-A5DYPQA')
  assert.is(shortId(key), 'AAAQEAY')
})

test('accepts what people type', () => {
  const [, , key] = keys
  const uid = formatUid(key ?? new Uint8Array(32))
  const sloppy = uid.toLowerCase().replaceAll('-', ' ').replaceAll('o', '0').replaceAll('i', '1').replaceAll('b', '8')
  for (const text of [sloppy, uid.replaceAll('-', ''), ` ${uid}\n`, uid.replaceAll('-', '–'), uid.replace('-', '')]) {
    assert.equal(parseUid(text), key, text)
  }
})

test('every substitution is caught', () => {
  for (const key of keys.slice(0, 6)) {
    const text = plain(key)
    for (let at = 0; at < text.length; at++) {
      for (const other of BASE32_ALPHABET) {
        if (other === text[at]) continue
        const group = Math.floor(at / 7)
        const names = new RegExp(`group ${(group & ~1) + 1} or ${(group & ~1) + 2} \\(`)
        assert.match(
          messageOf(() => parseUid(text.slice(0, at) + other + text.slice(at + 1))),
          names,
        )
      }
    }
  }
})

test('every exchange of two characters is caught, side by side or not', () => {
  let pairs = 0
  for (const key of keys) {
    const text = [...plain(key)]
    for (let a = 0; a < text.length; a++) {
      for (let b = a + 1; b < text.length; b++) {
        if (text[a] === text[b]) continue
        const changed = text.with(a, text[b] ?? '').with(b, text[a] ?? '')
        assert.throws(() => parseUid(changed.join('')), undefined, `${text.join('')} ${a} ${b}`)
        pairs++
      }
    }
  }
  assert.ok(pairs > 20_000)
})

test('an exchange that Luhn mod 32 misses is caught', () => {
  // 0 and 31 side by side in every position of a block.
  for (let at = 0; at < 52 - 1; at++) {
    if (at % 13 === 12) continue
    const values = new Array<number>(52)
      .fill(9)
      .with(51, 0)
      .with(at, 0)
      .with(at + 1, at + 1 === 51 ? 16 : 31)
    const bits = values.map((value) => value.toString(2).padStart(5, '0')).join('')
    const key = Uint8Array.from({ length: 32 }, (_, byte) => Number.parseInt(bits.slice(byte * 8, byte * 8 + 8), 2))
    const text = [...plain(key)]
    const position = at + Math.floor(at / 13)
    const swapped = text.with(position, text[position + 1] ?? '').with(position + 1, text[position] ?? '')
    assert.throws(() => parseUid(swapped.join('')), undefined, `position ${at}`)
  }
})

test('exchanged blocks are caught', () => {
  for (const key of keys) {
    const groups = formatUid(key).split('-')
    for (let a = 0; a < 8; a += 2) {
      for (let b = a + 2; b < 8; b += 2) {
        const swapped = [...groups]
        const [first, second] = [groups.slice(a, a + 2), groups.slice(b, b + 2)]
        swapped.splice(a, 2, ...second)
        swapped.splice(b, 2, ...first)
        assert.throws(() => parseUid(swapped.join('-')))
      }
    }
  }
})

test('the message names what is wrong', () => {
  const uid = formatUid(keys[3] ?? new Uint8Array(32))
  const groups = uid.split('-')
  const short = groups.with(4, groups[4]?.slice(1) ?? '').join('-')
  assert.match(
    messageOf(() => parseUid(short)),
    /55 characters, not 56; group 5 \([A-Z2-7]{6}\) has 6, not 7/,
  )
  assert.match(
    messageOf(() => parseUid(`${uid}-AAAAAAA`)),
    /63 characters/,
  )
  assert.match(
    messageOf(() => parseUid(groups.with(2, 'ABC9DEF').join('-'))),
    /group 3 holds "9"/,
  )
  assert.match(
    messageOf(() => parseUid('')),
    /0 characters/,
  )
  assert.match(
    messageOf(() => parseUid('😀')),
    /group 1 holds "😀"/,
  )
})

test('bits past the 32nd byte are no second way to write the same key', () => {
  // Last data character with a padding bit set and its check made to fit.
  const text = plain(new Uint8Array(32))
  const candidates = [...BASE32_ALPHABET].map((check) => `${text.slice(0, 54)}B${check}`)
  for (const candidate of candidates) assert.throws(() => parseUid(candidate))
})

test.run()
