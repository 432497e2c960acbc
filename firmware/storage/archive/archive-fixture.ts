/** What the tests of the archive share: cameras that send, a disk that can fail, and a look at what came of it. */

import { handmadeFragment, handmadeInit, VIDEO } from '../../media/sample-streams.ts'
import { FakeClock } from '../../platform/clock-fake.ts'
import { FakeDisk } from '../../platform/disk-fake.ts'
import { seededRandom } from '../../platform/random.ts'
import { toHex } from '../../wire/bytes.ts'
import type { RecordHeader } from '../../wire/record.ts'
import { type Archive, openArchive, type StoreResult } from './archive.ts'
import type { FragmentPayload } from './incoming.ts'
import { FakeIndexHome } from './index-store-fake.ts'
import type { ArchiveOptions } from './options.ts'
import { initRoot } from './root.ts'

export const ROOT = '/disk'
/** 2026-03-14 10:00:00 UTC, the start of a window. */
export const T0 = Date.UTC(2026, 2, 14, 10) * 1000
export const SECOND = 1_000_000
export const LOG = '00000000000000a1'
export const LOG2 = '00000000000000b2'
export const BOOT = 'b007000000000001'

export function cameraKey(number: number): Uint8Array {
  return new Uint8Array(32).fill(number)
}

export const CAMERA = cameraKey(7)

/** Handmade media: one video track, timescale 1000, fragments of one second with four samples. */
export const INIT = handmadeInit([VIDEO])
export const OTHER_INIT = handmadeInit([{ ...VIDEO, defaultFlags: 1 }])

export function mediaAt(seq: number, fill = (seq % 250) + 1): Uint8Array {
  const sizes = [400 + (seq % 7), 40, 41, 42]
  return handmadeFragment([{ id: 1, decodeTime: 90_000 + seq * 1000, sampleTicks: 250, sizes }], fill)
}

export interface Plan extends Partial<RecordHeader> {
  readonly seq: number
}

/** One second of footage per number from T0 on, unless the plan says otherwise. */
export function headerOf(plan: Plan): RecordHeader {
  const { seq } = plan
  return {
    kind: 'fragment',
    span: 1,
    run: 0,
    boot: BOOT,
    monoUs: 5 * SECOND + seq * SECOND,
    wallUs: T0 + seq * SECOND,
    clock: 'synchronised',
    durationUs: SECOND,
    keyFrame: true,
    runStart: seq === 0,
    camera: CAMERA,
    log: LOG,
    recipient: new Uint8Array(32),
    wrappedKey: new Uint8Array(80),
    signature: new Uint8Array(64),
    nonce: new Uint8Array(24),
    payloadBytes: 0,
    ...plan,
  }
}

export interface Rig {
  readonly disk: FakeDisk
  readonly home: FakeIndexHome
  readonly clock: FakeClock
  readonly archive: Archive
  /** What happened, in order: calls of the disk, `index`, and what the test adds. */
  readonly events: string[]
  store(plan: Plan, payload?: FragmentPayload): Promise<StoreResult>
  storeAll(first: number, last: number): Promise<void>
}

export interface RigOptions extends Partial<ArchiveOptions> {
  readonly disk?: FakeDisk
  readonly home?: FakeIndexHome
}

/** An archive on a fake disk, made when it is new. */
export async function makeRig({
  disk = new FakeDisk(),
  home = new FakeIndexHome(),
  ...options
}: RigOptions = {}): Promise<Rig> {
  // Long after what the tests store was captured.
  const clock = new FakeClock(T0 + 30 * 86_400 * SECOND)
  if ((await disk.stat(`${ROOT}/homeward.json`)) === undefined) await initRoot(disk, ROOT, seededRandom(1), T0)
  const settings = { disk, clock, root: ROOT, minFreeBytes: 0, commitDelayMs: 0, index: home, ...options }
  const archive = await openArchive(settings)
  const events: string[] = []
  home.store.onCommitted = (changes) => {
    const tables = [...new Set(changes.map(({ table }) => table))].sort()
    events.push(`index ${tables.join(' ')}`)
  }
  disk.watch((call) => events.push(`${call.operation} ${call.path.replace(`${ROOT}/`, '')}`))
  const store = (plan: Plan, payload?: FragmentPayload) => {
    const header = headerOf(plan)
    const receivedUs = Math.max(T0 + 3600 * SECOND, header.wallUs + SECOND) + plan.seq
    return archive.store(header.camera, header, payload ?? { init: INIT, fragment: mediaAt(plan.seq) }, receivedUs)
  }
  const storeAll = async (first: number, last: number) => {
    await Promise.all(Array.from({ length: last - first + 1 }, (_, index) => store({ seq: first + index })))
  }
  return { disk, home, clock, archive, events, store, storeAll }
}

/** Paths of all files below a folder of the fake disk, relative to the root. */
export async function filesBelow(disk: FakeDisk, folder = ''): Promise<string[]> {
  const found: string[] = []
  for (const { name, kind } of await disk.list(`${ROOT}/${folder}`)) {
    const path = folder === '' ? name : `${folder}/${name}`
    if (kind === 'folder') found.push(...(await filesBelow(disk, path)))
    else found.push(path)
  }
  return found
}

export async function footage(disk: FakeDisk): Promise<string[]> {
  return (await filesBelow(disk)).filter((path) => path.endsWith('.mp4'))
}

export async function bytesOf(disk: FakeDisk, path: string): Promise<Uint8Array> {
  const file = await disk.open(`${ROOT}/${path}`, 'read')
  const bytes = new Uint8Array(await file.size())
  await file.read(bytes, 0)
  await file.close()
  return bytes
}

export async function writeBytes(disk: FakeDisk, path: string, bytes: Uint8Array): Promise<void> {
  const file = await disk.open(`${ROOT}/${path}`, 'write')
  await file.truncate(0)
  await file.write([bytes], 0)
  await file.datasync()
  await file.close()
}

export const CAMERA_HEX = toHex(CAMERA)
