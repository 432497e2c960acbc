/** What the ring writes to its card for what was captured: on the first lap, and when slabs are written again. */
import { BenchHome } from './home.ts'
import { blockWriteBytes } from './process-use.ts'
import type { Row } from './row.ts'

const MIB = 1024 * 1024
const RING_BYTES = 192 * MIB
/** Fragments of 500 kB, sixty times as fast as a camera: 30 MB/s, which the storage device keeps up with. */
const SOURCE = 'fake:fps=30,gop=30,bitrate=4000000,speed=60'
const WITHIN_MS = 60_000

interface Counters {
  readonly capturedBytes: number
  readonly writtenBytes: number
  readonly blockBytes: number
}

export async function ringWrites(): Promise<Row[]> {
  const home = await BenchHome.open()
  try {
    const camera = await home.startCamera('camera', SOURCE, ['--ring-size', String(RING_BYTES)])
    const reach = async (laps: number): Promise<Counters> => {
      const reached = ({ ring }: { ring: { writtenBytes: number } }) => ring.writtenBytes >= laps * RING_BYTES
      const { ring } = await home.until('camera', `at lap ${laps}`, reached, WITHIN_MS)
      return { ...ring, blockBytes: await blockWriteBytes(camera.pid) }
    }
    const none = { capturedBytes: 0, writtenBytes: 0, blockBytes: 0 }
    const marks = [none, await reach(1), await reach(2), await reach(3)]
    const { seq } = await home.status('camera')
    const laps = marks.slice(1).map((mark, index) => {
      const since = marks[index] ?? none
      return {
        captured: (mark.capturedBytes - since.capturedBytes) / MIB,
        written: (mark.writtenBytes - since.writtenBytes) / MIB,
        block: (mark.blockBytes - since.blockBytes) / MIB,
      }
    })
    const row = (name: string, written: (lap: (typeof laps)[number]) => number, notes: readonly string[]): Row => ({
      name,
      unit: 'MiB',
      ours: laps.map(written),
      rival: laps.map(({ captured }) => captured),
      rivalName: 'captured',
      by: 'worst',
      target: { most: 1.05 },
      notes,
    })
    return [
      row("ring writes, ring's own counter", ({ written }) => written, [
        `one value for the first lap of ${RING_BYTES / MIB} MiB and one for each of two laps over recycled slabs`,
        `${seq.lost} fragments lost`,
      ]),
      row("ring writes, kernel's counter", ({ block }) => block, [
        '/proc/PID/io write_bytes of the whole camera process; what the file system itself writes is not in it',
      ]),
    ]
  } finally {
    await home.close()
  }
}
