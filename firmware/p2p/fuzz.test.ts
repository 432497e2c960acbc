// time-out: 120 s
/**
 * What strangers may send, through every decoder that meets it: none may throw anything but a HomewardError, take long, or
 * keep memory. HOMEWARD_FUZZ: how many inputs (60000); HOMEWARD_FUZZ_SEED: the first of them (by the clock).
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../wire/errors.ts'
import { FuzzInput } from './fuzz-input-fixture.ts'
import { FUZZ_TARGETS, type FuzzTarget } from './fuzz-targets-fixture.ts'

const INPUTS = Number(process.env.HOMEWARD_FUZZ ?? 60_000)
const SEED = Number(process.env.HOMEWARD_FUZZ_SEED ?? Date.now() % 2 ** 31)
/** Each begins with a seed of its own, so that what fails is found again without all that came before. */
const ROUND = 1_000
const TELL_EVERY_MS = 5_000
/** A busy machine may stop us for a while; no decoder comes near it. */
const ITEM_WITHIN_MS = 3_000
/** Of what is left after a collection: what a heap of this size breathes. */
const GROWTH_MAX_BYTES = 12_000_000

const wheel = FUZZ_TARGETS.flatMap((target) => Array.from({ length: target.weight }, () => target))

type Outcome = 'taken' | 'refused'

function run(target: FuzzTarget, bytes: Uint8Array, input: FuzzInput): Outcome {
  try {
    return target.run(bytes, input) === undefined ? 'refused' : 'taken'
  } catch (error) {
    if (isHomewardError(error) && error.code !== 'INTERNAL') return 'refused'
    throw error
  }
}

setFlagsFromString('--expose_gc')
const collect: () => void = runInNewContext('gc')

function heldBytes(): number {
  collect()
  collect()
  const { heapUsed, external, arrayBuffers } = process.memoryUsage()
  return heapUsed + external + arrayBuffers
}

test('each decoder takes what is valid', () => {
  for (const target of FUZZ_TARGETS) {
    if (target.isForged) continue
    const input = new FuzzInput(1)
    for (const source of target.sources) assert.is(run(target, Buffer.from(source), input), 'taken', target.name)
  }
})

test(`${INPUTS} inputs, seed ${SEED}: no other error, no hang, no growth`, () => {
  // Errors are what most of this comes to, and nobody reads where they were made.
  Error.stackTraceLimit = 0
  const seen = new Map(FUZZ_TARGETS.map(({ name }) => [name, { taken: 0, refused: 0 }]))
  const startMs = performance.now()
  let [toldMs, slowestMs, slowest, warmBytes, mostBytes] = [startMs, 0, '', 0, 0]
  const rounds = Math.ceil(INPUTS / ROUND)
  for (let round = 0; round < rounds; round++) {
    const input = new FuzzInput(SEED + round)
    for (let item = 0; item < ROUND; item++) {
      const target = wheel[input.below(wheel.length)]
      if (target === undefined) continue
      const bytes = input.from(target.sources)
      const beforeMs = performance.now()
      let outcome: Outcome
      try {
        outcome = run(target, bytes, input)
      } catch (error) {
        const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
        throw new Error(
          `${target.name}, seed ${SEED + round}, item ${item}: ${why}\n${Buffer.from(bytes).toString('hex')}`,
        )
      }
      const tookMs = performance.now() - beforeMs
      if (tookMs > slowestMs) [slowestMs, slowest] = [tookMs, `${target.name}, seed ${SEED + round}, item ${item}`]
      const counts = seen.get(target.name)
      if (counts !== undefined) counts[outcome]++
    }
    // The code is compiled and the caches are full by then.
    if (round === Math.floor(rounds / 4)) warmBytes = heldBytes()
    if (performance.now() - toldMs > TELL_EVERY_MS) {
      toldMs = performance.now()
      mostBytes = Math.max(mostBytes, process.memoryUsage.rss())
      process.stdout.write(`fuzz: ${(round + 1) * ROUND} of ${INPUTS}\n`)
    }
  }
  const growth = heldBytes() - warmBytes
  const seconds = (performance.now() - startMs) / 1000
  process.stdout.write(
    `fuzz: ${rounds * ROUND} inputs in ${seconds.toFixed(1)} s from seed ${SEED}; slowest ${slowestMs.toFixed(1)} ms (${slowest}); ` +
      `held ${growth} bytes more than after a quarter of them; most in memory ${Math.round(Math.max(mostBytes, process.memoryUsage.rss()) / 1e6)} MB\n`,
  )
  assert.ok(slowestMs < ITEM_WITHIN_MS, `${slowestMs} ms: ${slowest}`)
  assert.ok(growth < GROWTH_MAX_BYTES, `${growth} bytes more are held`)
  for (const [name, { taken, refused }] of seen)
    assert.ok(refused > 0 && taken + refused > 20, `${name}: ${taken} taken, ${refused} refused`)
})

test.run()
