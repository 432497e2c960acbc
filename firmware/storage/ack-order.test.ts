/**
 * The order that the promise rests on, watched on the calls themselves: a fragment's bytes are written, its file is synced,
 * the names of a new file and its folders are synced, its row is in the flushed index, the ACK goes out, and only then is
 * its place on the card written over. Real ring, uplink, sessions, intake, archive, LMDB and disk; syncs that take their
 * time; channels that break.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeMark } from '../camera/ring/acks.ts'
import { cardBytes, decodeCardHeader } from '../camera/ring/card-record.ts'
import { ACKS_FILE } from '../camera/ring/marker.ts'
import { initRing, openRing, type Ring } from '../camera/ring/ring.ts'
import { slabNumber } from '../camera/ring/slabs.ts'
import { Uplink } from '../camera/uplink.ts'
import type { Channel } from '../link/channel.ts'
import { FakeChannel } from '../link/channel-fake.ts'
import { createIdentity } from '../link/identity.ts'
import { LogSealer, RecordOpener } from '../link/seal.ts'
import { handmadeFragment } from '../media/sample-streams.ts'
import { RealClock } from '../platform/clock-real.ts'
import { RealDisk } from '../platform/disk-real.ts'
import { randomBelow, realRandom, seededRandom } from '../platform/random.ts'
import { addRange, containsRange, missingFrom, type Range } from '../wire/ranges.ts'
import type { RecordHeader } from '../wire/record.ts'
import { decodeStorageFrame } from '../wire/session.ts'
import { openArchive } from './archive/archive.ts'
import { BOOT, INIT } from './archive/archive-fixture.ts'
import { decodeEntry, entryBoxBytes, findEntry } from './archive/entry.ts'
import { parseFragmentKey } from './archive/keys.ts'
import { LmdbHome } from './archive/lmdb-store.ts'
import { INDEX_FOLDER, JOURNAL_PATH } from './archive/names.ts'
import { initRoot } from './archive/root.ts'
import { type Call, WatchedDisk, WatchedIndex, watchedChannel } from './calls-fixture.ts'
import { Intake } from './intake.ts'

const SEED = Number(process.env.HOMEWARD_SEED ?? Date.now() % 1_000_000)
const KIB = 1024
const FRAGMENTS = 210
const FRAGMENT_BYTES = 24 * KIB
/** 192 KiB of each take records, six or seven of these: the whole ring is written over several times. */
const SLAB_BYTES = 256 * KIB
const SLABS = 4

interface Run {
  readonly log: string
  readonly root: string
  readonly card: string
  readonly calls: readonly Call[]
  /** Numbers that the ring took as fragments. */
  readonly kept: readonly number[]
  readonly channels: number
}

/** Captures while channels come and go, and for longer without one than the ring has room for. */
async function run(folder: string): Promise<Run> {
  const random = seededRandom(SEED)
  const below = (bound: number) => randomBelow(random, bound)
  const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
  const clock = new RealClock()
  const [root, card] = [join(folder, 'disk'), join(folder, 'card')]
  const [storage, camera] = [createIdentity(), createIdentity()]
  const calls: Call[] = []
  const watch = (call: Call) => void calls.push(call)
  const stall = () => pause(below(12))

  const disk = new RealDisk()
  await initRoot(disk, root, realRandom, clock.wallUs())
  const archive = await openArchive({
    ...{ disk: new WatchedDisk(disk, watch, stall), clock, root, minFreeBytes: 0 },
    index: new WatchedIndex(new LmdbHome(join(root, INDEX_FOLDER)), watch, stall),
  })
  await archive.nameCamera(camera.publicKey, 'Garden')
  const line = new Line()
  const intake = new Intake({ link: line.storage, archive, opener: new RecordOpener(storage), clock })
  intake.start()

  await initRing(disk, card, { slabBytes: SLAB_BYTES, anySlabBytes: true, capacityBytes: SLABS * SLAB_BYTES })
  const sealer = new LogSealer(camera, storage.publicKey)
  const ring = await openRing({
    ...{ disk: new WatchedDisk(disk, watch), dir: card, camera, sealer, boot: BOOT, clock },
    keepFreeBytes: 0,
    recentBytes: 0,
    markIntervalMs: 40,
  })
  const report = () => ({ state: 'running', captured: 0 })
  const uplink = new Uplink({ link: line.camera, clock, name: () => 'Garden', boot: BOOT, report })
  uplink.setRings([ring])
  uplink.start()

  const kept: number[] = []
  let channels = 0
  try {
    for (let seq = 0; seq < FRAGMENTS; seq++) {
      // Longer away than the ring has room for; what was in flight is asked about on the next channel.
      if (seq % 50 === 15) line.sever()
      if (seq % 50 === 0) {
        line.connect({ clock, keys: [camera.publicKey, storage.publicKey] }, watch)
        channels++
      }
      if ((await append(ring, seq, clock)) === 'kept') kept.push(seq)
      await pause(below(16))
    }
    for (let waited = 0; ring.stats().unackedBytes > 0; waited += 20) {
      assert.ok(waited < 20_000, `the ring drains: ${JSON.stringify(ring.stats())}, seed ${SEED}`)
      await pause(20)
    }
  } finally {
    await uplink.close()
    await intake.close()
    await ring.close()
    await archive.close()
  }
  return { log: ring.log, root, card, calls, kept, channels }
}

function append(ring: Ring, seq: number, clock: RealClock) {
  const sizes = [FRAGMENT_BYTES, 40, 41, 42]
  const fragment = handmadeFragment([{ id: 1, decodeTime: seq * 1000, sampleTicks: 250, sizes }], (seq % 250) + 1)
  const times = { monoUs: clock.monoUs(), wallUs: clock.wallUs(), clock: clock.quality(), durationUs: 1000 }
  const meta = { run: 0, boot: BOOT, ...times, keyFrame: true, runStart: seq === 0 }
  return ring.append({ meta, init: INIT, fragment })
}

/** Both ends' links. */
class Line {
  #toStorage: (channel: Channel) => void = () => {}
  #toCamera: (channel: Channel) => void = () => {}
  #channel: FakeChannel | undefined
  readonly storage = {
    onChannel: (listener: (camera: unknown, channel: Channel) => void) => {
      this.#toStorage = (channel) => listener(undefined, channel)
      return () => {}
    },
  }
  readonly camera = {
    onChannel: (listener: (channel: Channel) => void) => {
      this.#toCamera = listener
      return () => {}
    },
  }

  connect(options: Parameters<typeof FakeChannel.pair>[0], watch: (call: Call) => void): void {
    const [cameraEnd, storageEnd] = FakeChannel.pair(options)
    this.#channel = cameraEnd
    this.#toStorage(watchedChannel(storageEnd, watch))
    this.#toCamera(cameraEnd)
  }

  sever(): void {
    this.#channel?.sever()
  }
}

/** Index of the first call at `from` or behind it that fits. */
function first(calls: readonly Call[], from: number, fits: (call: Call) => boolean): number {
  const at = calls.findIndex((call, index) => index >= from && fits(call))
  return at === -1 ? Number.POSITIVE_INFINITY : at
}

/** Where a call that began behind `from` has worked. Calls of one kind on one path do not overlap. */
function worked(calls: readonly Call[], from: number, fits: (call: Call) => boolean): number {
  const begin = first(calls, from, (call) => call.phase === 'begin' && fits(call))
  return first(calls, begin, (call) => call.phase === 'done' && fits(call))
}

const on = (kind: Call['call'], path: string) => (call: Call) =>
  call.call === kind && 'path' in call && call.path === path

/** Numbers of `log` that a frame to the camera calls safe. */
function saidSafe(call: Call, log: string): readonly Range[] {
  if (call.call !== 'send') return []
  const message = decodeStorageFrame(call.frame)
  return (message.type === 'ack' || message.type === 'durable') && message.log === log ? message.ranges : []
}

/** Numbers of `log` whose entries begin in these bytes. */
function entriesIn(bytes: Uint8Array, log: string): number[] {
  const found: number[] = []
  for (let at = findEntry(bytes, 0); at >= 0; at = findEntry(bytes, at + 1)) {
    const length = entryBoxBytes(bytes.subarray(at)) ?? 0
    const entry = decodeEntry(bytes.subarray(at, at + length))
    if (entry.log === log) found.push(entry.seq)
  }
  return found
}

/** Where each fragment was written in the archive, and in which file. */
function writesOf({ calls, log }: Run): Map<number, { readonly at: number; readonly path: string }> {
  const found = new Map<number, { at: number; path: string }>()
  for (const [at, call] of calls.entries()) {
    if (call.call !== 'write' || call.phase !== 'done' || !call.path.endsWith('.mp4')) continue
    for (const seq of entriesIn(call.bytes, log)) if (!found.has(seq)) found.set(seq, { at, path: call.path })
  }
  return found
}

/** Where each number was first called safe to the camera. */
function ackedAt({ calls, log }: Run): Map<number, number> {
  const found = new Map<number, number>()
  for (const [at, call] of calls.entries()) {
    for (const [low, high] of saidSafe(call, log)) {
      for (let seq = low; seq <= high; seq++) if (!found.has(seq)) found.set(seq, at)
    }
  }
  return found
}

/** Every folder from the file's own up to the root. */
function foldersOf(path: string, root: string): string[] {
  const folders: string[] = []
  for (let folder = dirname(path); folder.length >= root.length; folder = dirname(folder)) folders.push(folder)
  return folders
}

let running: Promise<Run> | undefined
let folder = ''

function recorded(): Promise<Run> {
  running ??= mkdtemp(join(tmpdir(), 'homeward-')).then((made) => {
    folder = made
    return run(made)
  })
  return running
}

test.after(async () => {
  if (folder !== '') await rm(folder, { recursive: true, force: true })
})

test(`no ACK before file, folders and index are synced (HOMEWARD_SEED=${SEED})`, async () => {
  const all = await recorded()
  const { calls, kept, root } = all
  const writes = writesOf(all)
  const acks = ackedAt(all)
  const holdsRow = (seq: number) => (call: Call) =>
    call.call === 'commit' &&
    call.changes.some(({ table, key, value }) => {
      if (table !== 'fragments' || value === undefined) return false
      const name = parseFragmentKey(key)
      return name.log === all.log && name.seq === seq
    })
  const settled = new Set<string>()
  for (const seq of kept) {
    const what = `fragment ${seq}, seed ${SEED}`
    const written = writes.get(seq)
    const acked = acks.get(seq) ?? Number.POSITIVE_INFINITY
    assert.ok(written !== undefined && Number.isFinite(acked), `${what}: written and ACKed`)
    const { at, path } = written
    const synced = worked(calls, at, on('datasync', path))
    const committing = first(calls, 0, (call) => call.phase === 'begin' && holdsRow(seq)(call))
    const committed = first(calls, 0, (call) => call.phase === 'done' && holdsRow(seq)(call))
    assert.ok(at < synced, `${what}: synced after it was written`)
    assert.ok(synced < committing, `${what}: its row is written at ${committing}, its file synced at ${synced}`)
    assert.ok(committing < committed && committed < acked, `${what}: row flushed at ${committed}, ACKed at ${acked}`)
    // The file's own folder for its name, and once for each folder above.
    for (const [index, above] of foldersOf(path, root).entries()) {
      const name = index === 0 ? path : above
      if (settled.has(name)) continue
      settled.add(name)
      const named = worked(calls, 0, on('syncDir', above))
      assert.ok(named < committing, `${what}: the entry in ${above} is synced at ${named}, the row at ${committing}`)
    }
  }
  assert.ok(kept.length > FRAGMENTS / 2, `${kept.length} fragments were kept`)
})

test('no ACK of a gap before its line in the journal and its row are synced', async () => {
  const all = await recorded()
  const { calls, kept, root, log } = all
  const acks = ackedAt(all)
  const journal = join(root, JOURNAL_PATH)
  const missed = missingFrom(
    kept.reduce<Range[]>((ranges, seq) => addRange(ranges, seq, seq), []),
    0,
    FRAGMENTS - 1,
  )
  assert.ok(missed.length > 0, `the ring was full now and then, seed ${SEED}`)
  for (const [low, high] of missed) {
    for (let seq = low; seq <= high; seq++) {
      const says = (call: Call) =>
        on('write', journal)(call) &&
        'bytes' in call &&
        call.bytes instanceof Uint8Array &&
        enters(call.bytes, log, seq)
      const written = first(calls, 0, (call) => call.phase === 'done' && says(call))
      const synced = worked(calls, written, on('datasync', journal))
      const entered = (call: Call) => call.call === 'commit' && call.changes.some(({ table }) => table === 'ledger')
      const committed = worked(calls, synced, entered)
      const acked = acks.get(seq) ?? Number.POSITIVE_INFINITY
      assert.ok(
        written < synced && synced < committed && committed < acked,
        `gap ${seq}: ${[written, synced, committed, acked]}`,
      )
    }
  }
})

/** Whether one of these lines of the journal is about this number. */
function enters(lines: Uint8Array, log: string, seq: number): boolean {
  return Buffer.from(lines)
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line.slice(9)) as { log?: string; first?: number; last?: number })
    .some((entry) => entry.log === log && (entry.first ?? 1) <= seq && seq <= (entry.last ?? 0))
}

/** A record on a slab; `synced` once a sync that began behind its write has worked. */
interface Standing {
  readonly header: RecordHeader
  readonly start: number
  readonly end: number
  state: 'written' | 'syncing' | 'synced'
}

/** The part of a slab that a call changes. */
function changed(call: Call): readonly [start: number, end: number] {
  if (call.call === 'write') return [call.position, call.position + call.bytes.byteLength]
  return call.call === 'truncate' ? [call.bytes, SLAB_BYTES] : [0, 0]
}

/**
 * A gap that grows is written again and again, and once more when it ends, which may be at the length it had: a record may go
 * once another one of at least that length is safe, wherever it stands.
 */
function outgrown(record: Standing, others: readonly Standing[]): boolean {
  const { kind, seq, span } = record.header
  return others.some(
    (other) =>
      other !== record &&
      other.state === 'synced' &&
      other.header.kind === kind &&
      other.header.seq === seq &&
      other.header.span >= span,
  )
}

test('nothing on the card is written over before its ACK, and no mark says more than the ACKs', async () => {
  const { calls, log, card, kept, channels } = await recorded()
  const slabs = new Map<string, Standing[]>()
  let safe: Range[] = []
  const overwritten = { fragment: 0, gap: 0 }
  let marks = 0
  for (const call of calls) {
    for (const [low, high] of saidSafe(call, log)) safe = addRange(safe, low, high)
    if (!('path' in call) || dirname(call.path) !== card) continue
    const name = basename(call.path)
    if (call.call === 'write' && call.phase === 'begin' && name === ACKS_FILE) {
      const acked = decodeMark(call.bytes)?.logs.find((entry) => entry.log === log)?.acked ?? []
      for (const [low, high] of acked) assert.ok(containsRange(safe, low, high), `the mark says ${low} to ${high}`)
      if (acked.length > 0) marks++
    }
    if (slabNumber(name) === undefined) continue
    assert.ok(call.call !== 'remove', 'no slab is removed')
    const standing = slabs.get(call.path) ?? []
    if (call.call === 'datasync') {
      const [before, after] =
        call.phase === 'begin' ? (['written', 'syncing'] as const) : (['syncing', 'synced'] as const)
      for (const record of standing) if (record.state === before) record.state = after
    }
    if (call.phase !== 'begin') continue
    const [start, end] = changed(call)
    const left = standing.filter((record) => record.end <= start || end <= record.start)
    for (const record of standing) {
      if (left.includes(record)) continue
      const { kind, seq, span } = record.header
      const may =
        containsRange(safe, seq, seq + span - 1) || (kind === 'gap' && outgrown(record, [...slabs.values()].flat()))
      assert.ok(may, `${kind} ${seq} of ${span} was written over before its ACK, seed ${SEED}`)
      overwritten[kind]++
    }
    const header = call.call === 'write' ? decodeCardHeader(call.bytes)?.header : undefined
    if (header !== undefined)
      left.push({ header, start, end: start + cardBytes(header.payloadBytes), state: 'written' })
    slabs.set(call.path, left)
  }
  assert.is(slabs.size, SLABS)
  assert.ok(overwritten.fragment > FRAGMENTS / 3, `${overwritten.fragment} fragments were written over`)
  assert.ok(marks > 0, 'marks with ACKs were written')
  process.stdout.write(
    `${kept.length} fragments kept, ${FRAGMENTS - kept.length} in gaps, ${overwritten.fragment} written over, ` +
      `${channels} channels, ${calls.length} calls, seed ${SEED}\n`,
  )
})

test.run()
