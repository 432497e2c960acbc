import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Random, randomBelow, seededRandom } from '../platform/random.ts'
import { isHomewardError } from '../wire/errors.ts'
import { box } from './boxes.ts'
import { withoutEmptyEdits } from './edits.ts'
import { joinBytes, u32 } from './fields.ts'
import { parseFragment } from './fragment.ts'
import { parseInit } from './init.ts'
import { buildMfra, parseMfra } from './mfra.ts'
import { rebaseFragment, restoreFragment, timeBasesFor } from './rebase.ts'
import { AUDIO, handmadeFragment, handmadeInit, VIDEO } from './sample-streams.ts'

const INIT = handmadeInit([
  VIDEO,
  {
    ...AUDIO,
    edits: [
      [500, -1],
      [0, 1024],
    ],
  },
])
const KNOWN = parseInit(INIT)
const FRAGMENT = handmadeFragment([
  { id: 1, decodeTime: 1000, sampleTicks: 40, sizes: [50, 20, 30] },
  { id: 2, decodeTime: 8000, sampleTicks: 160, sizes: [10, 10] },
])
const MFRA = buildMfra([
  { track: 1, timeTicks: 0, moofOffset: 500 },
  { track: 1, timeTicks: 1000, moofOffset: 900 },
])

/** Numbers at which arithmetic on sizes and counts goes wrong, if it does. */
const EDGES = [0, 1, 7, 8, 9, 15, 16, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff]

/** A few bytes, numbers or types changed, something taken out, put in or doubled. */
function mutated(source: Uint8Array, random: Random): Uint8Array {
  let bytes: Uint8Array = Uint8Array.from(source)
  for (let count = randomBelow(random, 4); count >= 0; count -= 1) {
    const at = randomBelow(random, bytes.byteLength)
    const length = randomBelow(random, Math.min(24, bytes.byteLength - at))
    switch (randomBelow(random, 6)) {
      case 0:
        bytes[at] = randomBelow(random, 256)
        break
      case 1:
        if (bytes.byteLength - at >= 4) bytes.set(u32(EDGES[randomBelow(random, EDGES.length)] ?? 0), at)
        break
      case 2:
        bytes = joinBytes(bytes.subarray(0, at), bytes.subarray(at + length))
        break
      case 3:
        bytes = joinBytes(bytes.subarray(0, at), random.bytes(length), bytes.subarray(at))
        break
      case 4:
        bytes = joinBytes(bytes.subarray(0, at + length), bytes.subarray(at))
        break
      default:
        bytes = joinBytes(bytes.subarray(0, at), box('free', bytes.subarray(at)))
    }
    if (bytes.byteLength === 0) return bytes
  }
  return bytes
}

const table: [name: string, source: Uint8Array, run: (bytes: Uint8Array) => void][] = [
  ['parseInit', INIT, (bytes) => parseInit(bytes)],
  ['withoutEmptyEdits', INIT, (bytes) => parseInit(withoutEmptyEdits(parseInit(bytes).bytes))],
  ['parseFragment', FRAGMENT, (bytes) => parseFragment(bytes, KNOWN)],
  [
    'rebaseFragment and restoreFragment',
    FRAGMENT,
    (bytes) => {
      const bases = timeBasesFor(KNOWN, parseFragment(bytes, KNOWN))
      const moved = rebaseFragment(bytes, bases)
      parseFragment(moved, KNOWN)
      assert.equal(restoreFragment(moved, bases), bytes)
    },
  ],
  ['parseMfra', MFRA, (bytes) => parseMfra(bytes)],
]

for (const [name, source, run] of table) {
  test(`${name}: damaged input is MEDIA_MALFORMED or harmless (seeds 1 to 4000)`, () => {
    run(source)
    let refused = 0
    for (let seed = 1; seed <= 4000; seed += 1) {
      const bytes = mutated(source, seededRandom(seed))
      try {
        run(bytes)
      } catch (error) {
        assert.ok(isHomewardError(error, 'MEDIA_MALFORMED'), `seed ${seed}: ${error}`)
        refused += 1
      }
    }
    assert.ok(refused > 1000, `only ${refused} of 4000 were refused`)
  })
}

test.run()
