/** The halves of the bench of the index, each in a process of its own: `make DIR`, `ask DIR`. Answers with JSON. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { RealClock } from '../../firmware/platform/clock-real.ts'
import { RealDisk } from '../../firmware/platform/disk-real.ts'
import { seededRandom } from '../../firmware/platform/random.ts'
import { openArchive } from '../../firmware/storage/archive/archive.ts'
import { ArchiveIndex } from '../../firmware/storage/archive/index.ts'
import { IndexBatch } from '../../firmware/storage/archive/index-batch.ts'
import { LmdbHome } from '../../firmware/storage/archive/lmdb-store.ts'
import { initRoot } from '../../firmware/storage/archive/root.ts'
import type { FileRow } from '../../firmware/storage/archive/rows.ts'
import { markIndex } from '../../firmware/storage/archive/start.ts'
import { ArchiveSlot } from '../../firmware/storage/archive-slot.ts'
import { Retention } from '../../firmware/storage/retention/retention.ts'

const CAMERAS = Number(process.env.INDEX_CAMERAS ?? 16)
const DAYS = Number(process.env.INDEX_DAYS ?? 30)
const FRAGMENT_US = 2_000_000
const FRAGMENT_BYTES = 1_000_000
const WINDOW_US = 600_000_000
const DAY_US = 86_400_000_000
const END_US = Math.floor((Date.now() * 1000) / DAY_US) * DAY_US
const START_US = END_US - DAYS * DAY_US

export interface MonthFigures {
  readonly cameras: number
  readonly days: number
  readonly files: number
  readonly fragments: number
  readonly tookMs: number
  readonly startMs: number
  readonly timelineMs: readonly number[]
  readonly outlookMs: number
  readonly rssMiB: number
  readonly coldCache: boolean
}

const NOTHING: MonthFigures = {
  ...{ cameras: CAMERAS, days: DAYS, files: 0, fragments: 0, tookMs: 0 },
  ...{ startMs: 0, timelineMs: [], outlookMs: 0, rssMiB: 0, coldCache: false },
}

const [what, root = ''] = process.argv.slice(2)
process.stdout.write(JSON.stringify(what === 'make' ? await make() : await ask()))

/** Rows as the archive itself enters them, a day of a camera in each commit. */
async function make(): Promise<MonthFigures> {
  const began = performance.now()
  const { diskId } = await initRoot(new RealDisk(), root, seededRandom(1), START_US)
  const index = new ArchiveIndex(await new LmdbHome(join(root, '.homeward/index')).open())
  await markIndex(index, diskId)
  let files = 0
  let fragments = 0
  for (let camera = 0; camera < CAMERAS; camera++) {
    const key = keyOf(camera)
    const named = new IndexBatch(index)
    named.putCamera(key, { folder: `Camera ${camera}`, folders: [`Camera ${camera}`] })
    await index.commit(named.changes())
    for (let day = 0; day < DAYS; day++) {
      const batch = new IndexBatch(index)
      for (let atUs = START_US + day * DAY_US; atUs < START_US + (day + 1) * DAY_US; atUs += WINDOW_US) {
        fragments += addFile(batch, key, logOf(camera), atUs)
        files++
      }
      await index.commit(batch.changes())
    }
  }
  await index.close()
  return { ...NOTHING, files, fragments, tookMs: performance.now() - began }
}

function addFile(batch: IndexBatch, camera: Uint8Array, log: string, startUs: number): number {
  const firstSeq = (startUs - START_US) / FRAGMENT_US
  const count = WINDOW_US / FRAGMENT_US
  const id = { camera, startUs, log, firstSeq }
  for (let at = 0; at < count; at++) {
    const hash = new Uint8Array(32)
    new DataView(hash.buffer).setUint32(0, Math.imul(firstSeq + at, 2654435761))
    batch.putFragment(camera, log, firstSeq + at, {
      ...{ fileStartUs: startUs, fileFirstSeq: firstSeq, offset: 1000 + at * FRAGMENT_BYTES, bytes: FRAGMENT_BYTES },
      ...{ headerBytes: 204, startUs: startUs + at * FRAGMENT_US, durationUs: FRAGMENT_US, ticks: at * 180_000 },
      ...{ trafNumber: 1, receivedUs: startUs + (at + 1) * FRAGMENT_US, hash },
    })
  }
  const iso = new Date(startUs / 1000).toISOString()
  const row: FileRow = {
    path: `Camera/${iso.slice(0, 10)}/${iso.slice(11, 13)}/${iso.slice(14, 23)}Z.${log}-${firstSeq}.mp4`,
    ...{ log, run: 0, boot: 'b007000000000001', monoUs: 0, dated: true, startUs, endUs: startUs + WINDOW_US },
    ...{ firstSeq, lastSeq: firstSeq + count - 1, fragments: count, bytes: 1000 + count * FRAGMENT_BYTES },
    ...{ initBytes: 1000, initHash: 'ab'.repeat(32), state: 'closed' },
    tracks: [{ id: 1, kind: 'video', codec: 'avc1.64001f', timescale: 90_000, width: 1920, height: 1080 }],
  }
  batch.putFile(id, row)
  return count
}

async function ask(): Promise<MonthFigures> {
  // The figures then are those of a machine that was just switched on; it takes root.
  const coldCache = await writeFile('/proc/sys/vm/drop_caches', '3').then(
    () => true,
    () => false,
  )
  const [clock, disk] = [new RealClock(), new RealDisk()]
  const began = performance.now()
  const slot = await ArchiveSlot.start({
    open: () => openArchive({ disk, clock, root }),
    clock,
    onReleased: () => {},
    onReopened: () => {},
  })
  slot.totals()
  const startMs = performance.now() - began
  const day = START_US + Math.floor(DAYS / 2) * DAY_US
  const timelineMs = Array.from({ length: CAMERAS }, (_, camera) => {
    const before = performance.now()
    const { stored } = slot.archive.timeline(keyOf(camera), day, day + DAY_US)
    if (stored.length === 0) throw new Error('no footage on that day')
    return performance.now() - before
  })
  const retention = new Retention({
    ...{ slot, disk, clock, root, minFreeBytes: 0, defaults: { days: null, bytes: null } },
  })
  const asked = performance.now()
  await retention.status()
  const outlookMs = performance.now() - asked
  await slot.close()
  return { ...NOTHING, startMs, timelineMs, outlookMs, rssMiB: process.memoryUsage().rss / 2 ** 20, coldCache }
}

function keyOf(camera: number): Uint8Array {
  return new Uint8Array(32).fill(camera + 1)
}

function logOf(camera: number): string {
  return (camera + 1).toString(16).padStart(16, '0')
}
