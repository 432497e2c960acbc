/**
 * The life of a camera with its card, for tests that cut its power: sessions one after the other on the same card, in each
 * of which it captures, is ACKed, fills up, writes slabs again, misses things and gives up what another storage device was
 * to get; and what must be on the card afterwards.
 */
import { createHash } from 'node:crypto'
import * as assert from 'uvu/assert'
import { FakeClock } from '../../platform/clock-fake.ts'
import { Camera, type Photograph } from '../../platform/crash-cuts-fixture.ts'
import { FakeDisk } from '../../platform/disk-fake.ts'
import { type Random, randomBelow, seededRandom } from '../../platform/random.ts'
import { isHomewardError } from '../../wire/errors.ts'
import type { AppendResult, RecordRef, Ring } from './ring.ts'
import { describeRecord, fragmentAt, KIB, openFake, prepareCard, SLAB_BYTES } from './ring-fixture.ts'
import { FakeSealer } from './sealer-fake.ts'

const SLABS = 3
const SESSIONS = 3
const STEPS = 16
const MARK_INTERVAL_MS = 60_000

/** What the camera knows of one number. */
interface Known {
  /** Undefined for a gap. */
  readonly content: string | undefined
  /** The ring said that it is safe on the card. */
  promised: boolean
  /** Storage has it, or it was given up. */
  acked: boolean
  /** Given up for good, and the ring said that this is safe. */
  discarded: boolean
  /** It was under way, or the end of a growing gap, when an earlier session ended, and did not reach the card. */
  lost: boolean
  /** Rounds that were over when it was captured. */
  readonly round: number
}

/** Everything that the camera knows, by `log/seq`. */
export class Memory {
  readonly known = new Map<string, Known>()
  /** Times that the ring answered for what it was given: once for all that one sync made safe. */
  rounds = 0
  #answering = false

  copy(): Memory {
    const copy = new Memory()
    for (const [name, known] of this.known) copy.known.set(name, { ...known })
    copy.rounds = this.rounds
    return copy
  }

  captured(name: string, content: string | undefined): void {
    assert.not.ok(this.known.has(name), `${name} is used a second time`)
    this.known.set(name, { content, promised: false, acked: false, discarded: false, lost: false, round: this.rounds })
  }

  /** As a gap when `content` is undefined. */
  promised(name: string, content: string | undefined): void {
    const known = this.known.get(name)
    if (known !== undefined) this.known.set(name, { ...known, content, promised: true })
  }

  /** Called for fragments only: the answer for a gap takes a few turns more, and would seem to come from another round. */
  answered(): void {
    if (!this.#answering) this.rounds++
    this.#answering = true
  }

  /** The card is at work again. */
  diskCalled(): void {
    this.#answering = false
  }

  acked(log: string, first: number, last: number): void {
    for (let at = first; at <= last; at++) {
      const known = this.known.get(`${log}/${at}`)
      if (known !== undefined) known.acked = true
    }
  }

  discarded(log: string, first: number, last: number): void {
    for (let at = first; at <= last; at++) {
      const known = this.known.get(`${log}/${at}`)
      if (known !== undefined) known.discarded = true
    }
  }
}

export interface CardScene {
  readonly disk: FakeDisk
  readonly memory: Memory
}

export function copyScene({ disk, memory }: CardScene): CardScene {
  return { disk: disk.fork(), memory: memory.copy() }
}

/** Runs a life; the result are its photographs. */
export async function liveOnCard(
  seed: number,
  wanted: (cut: number) => boolean,
): Promise<readonly Photograph<CardScene>[]> {
  const random = seededRandom(seed)
  let disk = new FakeDisk({ capacityBytes: (SLABS + randomBelow(random, 2)) * SLAB_BYTES })
  await prepareCard(disk, SLABS)
  let memory = new Memory()
  const camera = new Camera<CardScene>(() => copyScene({ disk, memory }), wanted)
  for (let session = 0; session < SESSIONS; session++) {
    const unwatch = disk.watch((call) => {
      memory.diskCalled()
      camera.onCall(call)
    })
    const log = (seed * 16 + session + 1).toString(16).padStart(16, '0')
    const recipient = new Uint8Array(32).fill(1 + randomBelow(random, 2))
    const clock = new FakeClock()
    const capacityBytes = (SLABS - (randomBelow(random, 6) === 0 ? 1 : 0)) * SLAB_BYTES
    const ring = await openFake(disk, {
      ...{ clock, capacityBytes, markIntervalMs: MARK_INTERVAL_MS, recentBytes: 64 * KIB },
      sealer: new FakeSealer({ log, recipient }),
    })
    const waiting = await work({ ring, memory, random, clock, recipient })
    const ending = randomBelow(random, 3)
    if (ending === 0) await Promise.all(waiting)
    if (ending < 2) await ring.close()
    camera.moment('the end of a session')
    // Closed, killed, or without power. What is left of the old program meets a dead card, and what was still waiting is
    // uncertain until the card says what came of it.
    const old = disk
    disk = disk.fork()
    unwatch()
    old.disappear('dead')
    disk.crash(random, ending === 2 ? undefined : 'everything')
    await Promise.allSettled(waiting)
    await ring.close()
    memory = await learn(disk, memory)
  }
  return camera.photographs
}

interface Work {
  readonly ring: Ring
  readonly memory: Memory
  readonly random: Random
  readonly clock: FakeClock
  readonly recipient: Uint8Array
}

/** What a fragment is known by. */
function brief(content: string | Uint8Array): string {
  return `${Buffer.from(content.slice(0, 40))} ${createHash('sha256').update(content).digest('hex').slice(0, 12)}`
}

/** What may still be on its way to the card. */
async function work({ ring, memory, random, clock, recipient }: Work): Promise<Promise<unknown>[]> {
  const below = (bound: number) => randomBelow(random, bound)
  const waiting: Promise<unknown>[] = []
  let next = 0
  for (let step = 0; step < STEPS; step++) {
    const dice = below(20)
    if (dice < 13) {
      const fragment = fragmentAt(next, 1 + below(70 * KIB), ring.log)
      const name = `${ring.log}/${next++}`
      const content = brief(fragment.fragment)
      memory.captured(name, content)
      const answer = (result: AppendResult) => {
        memory.promised(name, result === 'kept' ? content : undefined)
        memory.answered()
      }
      waiting.push(ring.append(fragment).then(answer))
    } else if (dice < 15) {
      const names = Array.from({ length: 1 + below(3) }, () => `${ring.log}/${next++}`)
      for (const name of names) memory.captured(name, undefined)
      const entered = () => {
        for (const name of names) memory.promised(name, undefined)
      }
      waiting.push(ring.addGap(names.length, 'encoder-down').then(entered))
    } else if (dice < 18) {
      for (const { log, unacked } of ring.logs()) {
        const [first, last] = unacked[below(unacked.length)] ?? [0, 0]
        const from = below(3) === 0 ? first + below(last - first + 1) : first
        const upTo = from + below(last - from + 1)
        memory.acked(log, from, upTo)
        ring.ack(log, [[from, upTo]])
      }
    } else if (dice < 19) await clock.advance(MARK_INTERVAL_MS)
    else {
      const others = ring.logs().filter((log) => log.recipient[0] !== recipient[0])
      for (const { log, unacked } of others) for (const [first, last] of unacked) memory.acked(log, first, last)
      const gone = ring.discard(recipient)
      for (const { log, first, last } of await gone) memory.discarded(log, first, last)
    }
    if (below(3) === 0) await Promise.all(waiting.splice(0))
  }
  return waiting.map((promise) => promise.catch(() => undefined))
}

/** What a start finds on the card. */
interface Found {
  readonly ring: Ring
  /** Content by name, undefined for a gap. */
  readonly records: ReadonlyMap<string, string | undefined>
  readonly damaged: ReadonlySet<string>
}

async function look(disk: FakeDisk): Promise<Found> {
  const ring = await openFake(disk, { recentBytes: 0, sealer: new FakeSealer({ log: 'f'.repeat(16) }) })
  const records = new Map<string, string | undefined>()
  for (const { log } of ring.logs()) {
    for (const ref of ring.unacked(log)) {
      const record = await readUnlessDamaged(ring, ref)
      if (record === undefined) continue
      const { seq, span, content } = describeRecord(record)
      for (let at = seq; at < seq + span; at++) {
        const name = `${log}/${at}`
        assert.not.ok(records.has(name), `${name} is there twice`)
        records.set(name, ref.kind === 'gap' ? undefined : brief(content))
      }
    }
  }
  const damaged = ring.damage().flatMap(({ log, first, last }) => {
    return Array.from({ length: last - first + 1 }, (_, at) => `${log}/${first + at}`)
  })
  return { ring, records, damaged: new Set(damaged) }
}

/** A write that was torn, with a whole one behind it in the same sync, is found out when it is read. */
async function readUnlessDamaged(ring: Ring, ref: RecordRef): Promise<Uint8Array | undefined> {
  try {
    return await ring.read(ref)
  } catch (error) {
    if (!isHomewardError(error, 'RECORD_DAMAGED')) throw error
    return undefined
  }
}

/** The memory after a crash: what was not promised is there for good now, or never. */
async function learn(disk: FakeDisk, memory: Memory): Promise<Memory> {
  const learned = memory.copy()
  const { ring, records } = await look(disk.fork())
  for (const [name, known] of learned.known) {
    if (records.has(name)) learned.promised(name, records.get(name))
    else if (!known.acked && (!known.promised || known.content === undefined)) known.lost = true
  }
  await ring.close()
  return learned
}

/** Crashes the card, starts again, and holds what is found against what was promised. */
export async function checkCard({ disk, memory }: CardScene, random: Random, way: number): Promise<void> {
  disk.crash(random)
  const found = await look(disk)
  isExact(found, memory)
  isComplete(found, memory)
  await healsExactly(found.ring, memory)
  if (way === 1) await goesOn(found, disk, memory)
  await found.ring.close()
}

/** Nothing stale, torn or made up; nothing given up comes back. */
function isExact({ records }: Found, { known }: Memory): void {
  for (const [name, content] of records) {
    const was = known.get(name)
    assert.ok(was, `${name} was never captured`)
    assert.not.ok(was?.discarded, `${name} was discarded for good`)
    assert.not.ok(was?.lost, `${name} was lost and comes back`)
    // A gap record may stand for a fragment whose append did not resolve yet, never for one that was promised.
    if (content !== undefined || was?.promised) assert.is(content, was?.content, `${name} is not what was captured`)
  }
}

/** What was promised is there; what is not there was under way; every number is in exactly one state. */
function isComplete({ ring, records, damaged }: Found, { known, rounds }: Memory): void {
  for (const [name, { promised, acked, content, lost, round }] of known) {
    if (acked || lost) continue
    if (promised && content === undefined && !records.has(name) && !damaged.has(name)) isOutgrown(name, records, known)
    else if (promised) {
      assert.ok(records.has(name), `${name} was promised and is not there`)
      assert.not.ok(damaged.has(name), `${name} was promised and is called damaged`)
    } else if (content !== undefined && !records.has(name)) {
      assert.ok(rounds - round <= 1, `${name} is lost, captured ${rounds - round} syncs ago`)
    }
  }
  for (const name of damaged) assert.not.ok(records.has(name), `${name} is there and called damaged`)
  for (const { log, unacked } of ring.logs()) {
    for (const [first, last] of unacked) {
      for (let at = first; at <= last; at++) {
        const name = `${log}/${at}`
        assert.ok(records.has(name) || damaged.has(name), `${name} is neither there, nor safe, nor called lost`)
      }
    }
  }
}

/**
 * How far a gap has grown is written down at 1, 2, 4, 8, … fragments, so a power cut may forget up to half of its end; what
 * came after it, never.
 */
function isOutgrown(name: string, records: Found['records'], known: Memory['known']): void {
  const [log = '', seq = ''] = name.split('/')
  const above = [...records.keys()].filter(
    (other) => other.startsWith(`${log}/`) && Number(other.slice(17)) > Number(seq),
  )
  assert.equal(above, [], `${name} is a gap, is not there, and is not the end of its log`)
  let [told, untold] = [0, 0]
  for (let at = Number(seq); at >= 0 && known.get(`${log}/${at}`)?.content === undefined; at--) {
    if (records.has(`${log}/${at}`) || known.get(`${log}/${at}`)?.acked) told++
    else untold++
  }
  assert.ok(told >= untold, `${name} is a gap of which ${told} are told and ${untold} are not`)
}

/** What is safe on the storage device may still be asked for: it is exact, or not there any more. */
async function healsExactly(ring: Ring, { known }: Memory): Promise<void> {
  for (const [name, { acked, content }] of known) {
    const [log = '', seq = ''] = name.split('/')
    if (!acked || content === undefined) continue
    const ref = await ring.find(log, Number(seq))
    const record = ref && (await readUnlessDamaged(ring, ref))
    if (record === undefined || ref?.kind === 'gap') continue
    assert.is(brief(describeRecord(record).content), content, `${name} is safe, and is not what was captured`)
  }
}

/** The ring takes footage again, and the next start finds it with all the rest. */
async function goesOn({ ring, records }: Found, disk: FakeDisk, memory: Memory): Promise<void> {
  const fragment = fragmentAt(0, 30 * KIB, 'after')
  const result = await ring.append(fragment)
  disk.crash(seededRandom(1), 'nothing')
  await ring.close()
  const again = await openFake(disk, { recentBytes: 0, sealer: new FakeSealer({ log: 'e'.repeat(16) }) })
  const all = new Map<string, string | undefined>()
  for (const { log } of again.logs()) {
    for (const ref of again.unacked(log)) {
      const record = await readUnlessDamaged(again, ref)
      for (let at = ref.seq; at < ref.seq + ref.span; at++) {
        all.set(`${log}/${at}`, record && ref.kind === 'fragment' ? brief(describeRecord(record).content) : undefined)
      }
    }
  }
  for (const [name, content] of records) {
    const kept = memory.known.get(name)
    if (kept?.acked) continue
    assert.is(all.get(name), content, `${name} is gone after the next start`)
  }
  const expected = result === 'kept' ? brief(fragment.fragment) : undefined
  assert.ok(all.has(`${ring.log}/0`), 'what was captured after the start is there')
  assert.is(all.get(`${ring.log}/0`), expected)
  await again.close()
}
