/**
 * Opening a ring of 4 GiB after a power cut that left no ACK mark worth having: nothing is known to be safe, so every slab is
 * looked through. On the machine's own disk, in files whose payloads are holes.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openRing } from '../../firmware/camera/ring/ring.ts'
import { BOOT, CAMERA } from '../../firmware/camera/ring/ring-fixture.ts'
import { writeLargeRing } from '../../firmware/camera/ring/ring-large-fixture.ts'
import { FakeSealer } from '../../firmware/camera/ring/sealer-fake.ts'
import { RealClock } from '../../firmware/platform/clock-real.ts'
import { RealDisk } from '../../firmware/platform/disk-real.ts'
import type { Row } from './row.ts'

const MIB = 1024 * 1024
const RING = { slabs: 64, slabBytes: 64 * MIB, payloadBytes: 500_000 }
const LIMIT_MS = 2000
const TIMES = 5

export async function ringOpen(): Promise<Row[]> {
  const dir = await mkdtemp(join(tmpdir(), 'homeward-'))
  try {
    const disk = new RealDisk()
    const records = await writeLargeRing(disk, dir, RING)
    const took: number[] = []
    for (let time = 0; time < TIMES; time++) {
      const started = performance.now()
      const clock = new RealClock()
      const ring = await openRing({ disk, dir, camera: CAMERA, sealer: new FakeSealer(), boot: BOOT, clock })
      took.push(performance.now() - started)
      const waiting = ring.logs()[0]?.unacked[0]
      if (waiting?.[1] !== records - 1) throw new Error(`${JSON.stringify(waiting)} found of ${records} records`)
      await ring.close()
    }
    return [
      {
        name: 'open a ring of 4 GiB, nothing ACKed',
        unit: 'ms',
        ours: took,
        rival: [LIMIT_MS],
        rivalName: 'limit',
        by: 'median',
        target: { most: 1 },
        notes: [
          `${records} records of 500 kB in ${RING.slabs} slabs; headers are in the page cache, payloads are holes`,
          'what a card adds is in firmware/camera/ring/ring-open.test.ts, which counts the reads',
        ],
      },
    ]
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}
