/** What a camera at 8 Mbit/s costs: processor time beside a bare stream at the same pace, and memory. */
import { BarePair } from './bare-pair.ts'
import { BenchHome, pause } from './home.ts'
import { cpuMs, memoryBytes } from './process-use.ts'
import { figure, type Row } from './row.ts'
import { startSource } from './source-cost.ts'

const SOURCE = 'fake:fps=30,gop=30,size=640x360,bitrate=8000000'
const BYTES_PER_SECOND = 1_000_000
const WARM_UP_MS = 10_000
const WINDOWS = 5
const WINDOW_MS = 6_000
const MEMORY_LIMIT_BYTES = 100e6

export async function cameraCost(): Promise<Row[]> {
  const home = await BenchHome.open()
  const bare = await BarePair.open()
  const source = startSource(SOURCE)
  try {
    const camera = await home.startCamera('camera', SOURCE)
    void bare.move(Number.MAX_SAFE_INTEGER, BYTES_PER_SECOND).catch(() => undefined)
    await pause(WARM_UP_MS)
    // All three at once: whatever else the machine does meets them alike.
    const pids = [camera.pid, bare.pids.sender, source.pid ?? 0, home.storage.pid] as const
    const windows: number[][] = []
    let before = await Promise.all(pids.map(cpuMs))
    for (let window = 0; window < WINDOWS; window++) {
      const started = performance.now()
      await pause(WINDOW_MS)
      const after = await Promise.all(pids.map(cpuMs))
      const seconds = (performance.now() - started) / 1000
      windows.push(after.map((value, index) => (value - (before[index] ?? 0)) / seconds))
      before = after
    }
    const { rss, peak } = await memoryBytes(camera.pid)
    const { seq } = await home.status('camera')
    const of = (index: number) => windows.map((window) => window[index] ?? Number.NaN)
    const [whole, sender, alone, storage] = [of(0), of(1), of(2), of(3)]
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
    return [
      {
        name: 'camera at 8 Mbit/s, processor',
        unit: 'ms/s',
        ours: whole.map((value, index) => value - (alone[index] ?? Number.NaN)),
        rival: sender,
        rivalName: 'bare sender',
        by: 'median',
        target: { most: 2 },
        notes: [
          `the camera process ${figure(mean(whole))} ms/s less its fake source alone ${figure(mean(alone))} ms/s`,
          `storage process ${figure(mean(storage))} ms/s; ${seq.acked} of ${seq.captured} fragments safe`,
        ],
      },
      {
        name: 'camera at 8 Mbit/s, memory',
        unit: 'MB',
        ours: [rss / 1e6],
        rival: [MEMORY_LIMIT_BYTES / 1e6],
        rivalName: 'limit',
        by: 'median',
        target: { most: 1 },
        notes: [
          `VmRSS after ${(WARM_UP_MS + WINDOWS * WINDOW_MS) / 1000} s; at most ${figure(peak / 1e6)} MB since the start`,
        ],
      },
    ]
  } finally {
    source.kill()
    await Promise.all([bare.close(), home.close()])
  }
}
