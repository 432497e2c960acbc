/**
 * Power cuts at every moment. A camera works on a card; at some call of the disk the power goes, part of what was not synced
 * is lost, and the next opening must hold everything that was promised and nothing that was never written.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeDisk } from '../../platform/disk-fake.ts'
import { type Random, randomBelow, seededRandom } from '../../platform/random.ts'
import { isHomewardError } from '../../wire/errors.ts'
import type { RecordRef, Ring } from './ring.ts'
import { describeRecord, fragmentAt, KIB, openFake, prepareCard } from './ring-fixture.ts'

const SLABS = 3
const SESSIONS = 4

/** What a camera knows of one fragment number: its content, whether that was promised, whether storage has it. */
interface Known {
  readonly content: string | undefined
  promised: boolean
  acked: boolean
}

/** By `log/seq`. */
type Model = Map<string, Known>

interface Cut {
  readonly disk: FakeDisk
  readonly model: Model
}

/** Works on the ring until done; `cut` is what stood on the card, and in the camera's mind, at the `atCall`-th call. */
async function session(disk: FakeDisk, model: Model, random: Random, atCall: number): Promise<Cut> {
  let cut: Cut | undefined
  let calls = 0
  disk.watch(() => {
    if (calls++ === atCall) cut = { disk: disk.fork(), model: copy(model) }
  })
  const ring = await openFake(disk)
  await work(ring, model, random)
  await ring.close()
  return cut ?? { disk: disk.fork(), model: copy(model) }
}

function copy(model: Model): Model {
  return new Map([...model].map(([name, known]) => [name, { ...known }]))
}

async function work(ring: Ring, model: Model, random: Random): Promise<void> {
  let next = 0
  const waiting: Promise<unknown>[] = []
  for (let step = 0; step < 14; step++) {
    const dice = randomBelow(random, 10)
    if (dice < 7) {
      const known: Known = { content: '', promised: false, acked: false }
      const fragment = fragmentAt(next, 1 + randomBelow(random, 70 * KIB), ring.log)
      const name = `${ring.log}/${next++}`
      model.set(name, { ...known, content: fragment.fragment.toString() })
      waiting.push(
        ring.append(fragment).then((result) => {
          if (result === 'gap') model.set(name, { content: undefined, promised: false, acked: false })
          else promise(model, name)
        }),
      )
    } else if (dice < 8) {
      const span = 1 + randomBelow(random, 3)
      for (let at = next; at < next + span; at++) {
        model.set(`${ring.log}/${at}`, { content: undefined, promised: false, acked: false })
      }
      next += span
      waiting.push(ring.addGap(span, 'encoder-down'))
    } else {
      for (const { log, unacked } of ring.logs()) {
        const [first, last] = unacked[0] ?? [0, 0]
        const upTo = first + randomBelow(random, last - first + 1)
        for (let at = first; at <= upTo; at++) {
          const known = model.get(`${log}/${at}`)
          if (known !== undefined) known.acked = true
        }
        ring.ack(log, [[first, upTo]])
      }
    }
    if (randomBelow(random, 3) === 0) await Promise.all(waiting.splice(0))
  }
  await Promise.all(waiting)
}

function promise(model: Model, name: string): void {
  const known = model.get(name)
  if (known !== undefined) known.promised = true
}

/** What the card holds against what the camera knew. */
async function check(disk: FakeDisk, model: Model, hint: string): Promise<void> {
  const ring = await openFake(disk, { recentBytes: 0 })
  const found = new Map<string, string | undefined>()
  for (const { log } of ring.logs()) {
    for (const ref of ring.unacked(log)) {
      const record = await readUnless(ring, ref, () => {
        assert.not.ok(
          model.get(`${log}/${ref.seq}`)?.promised,
          `${hint}: ${log}/${ref.seq} was promised and is damaged`,
        )
      })
      if (record === undefined) continue
      const { seq, span, content } = describeRecord(record)
      for (let at = seq; at < seq + span; at++) {
        const name = `${log}/${at}`
        assert.not.ok(found.has(name), `${hint}: ${name} is there twice`)
        found.set(name, ref.kind === 'gap' ? undefined : content)
      }
    }
  }
  for (const [name, content] of found) {
    const known = model.get(name)
    assert.ok(known, `${hint}: ${name} was never written`)
    // A gap record may stand for a fragment whose append did not resolve yet, never for one that was promised.
    if (content !== undefined || known?.promised) assert.is(content, known?.content, `${hint}: ${name}`)
  }
  const damaged = new Set(
    ring.damage().flatMap(({ log, first, last }) => {
      return Array.from({ length: last - first + 1 }, (_, at) => `${log}/${first + at}`)
    }),
  )
  for (const [name, known] of model) {
    if (!known.promised || known.acked) continue
    assert.ok(found.has(name), `${hint}: ${name} was promised and is not there`)
    assert.not.ok(damaged.has(name), `${hint}: ${name} is called damaged`)
  }
  await ring.close()
}

/** A write that was torn, with a whole one behind it in the same sync, is found out when it is read. */
async function readUnless(ring: Ring, ref: RecordRef, damaged: () => void): Promise<Uint8Array | undefined> {
  try {
    return await ring.read(ref)
  } catch (error) {
    if (!isHomewardError(error, 'RECORD_DAMAGED')) throw error
    damaged()
    return undefined
  }
}

/** The model after the crash: what was not promised may be there or not, for good. */
async function settle(disk: FakeDisk, model: Model): Promise<void> {
  const ring = await openFake(disk.fork(), { recentBytes: 0 })
  for (const { log } of ring.logs()) {
    for (const ref of ring.unacked(log)) {
      const record = await readUnless(ring, ref, () => {})
      if (record !== undefined && ref.kind === 'fragment') promise(model, `${log}/${ref.seq}`)
    }
  }
  await ring.close()
}

async function life(seed: number): Promise<void> {
  const random = seededRandom(seed)
  let disk = new FakeDisk()
  await prepareCard(disk, SLABS)
  let model: Model = new Map()
  for (let number = 0; number < SESSIONS; number++) {
    const atCall = randomBelow(random, 180)
    const cut = await session(disk, model, random, atCall)
    cut.disk.crash(random)
    const hint = `seed ${seed}, session ${number}, call ${atCall}`
    await check(cut.disk.fork(), cut.model, hint)
    await settle(cut.disk, cut.model)
    disk = cut.disk
    model = cut.model
  }
}

test('power cuts at random moments, one after the other on the same card', async () => {
  for (let seed = 1; seed <= 50; seed++) await life(seed)
})

test('a power cut at every single call of a short life', async () => {
  const fresh = new FakeDisk()
  await prepareCard(fresh, 2)
  const cuts: Cut[] = []
  const model: Model = new Map()
  fresh.watch(() => cuts.push({ disk: fresh.fork(), model: copy(model) }))
  for (let opening = 0; opening < 2; opening++) {
    const ring = await openFake(fresh)
    await work(ring, model, seededRandom(77 + opening))
    await ring.close()
  }
  assert.ok(cuts.length > 80, `${cuts.length} moments`)
  for (const [at, cut] of cuts.entries()) {
    for (const seed of [1, 2]) {
      const disk = cut.disk.fork()
      disk.crash(seededRandom(seed))
      await check(disk, cut.model, `call ${at}, seed ${seed}`)
    }
  }
})

test.run()
