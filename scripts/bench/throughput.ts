/** How fast one camera gets footage onto the storage disk, sealing and every sync included, beside a bare stream. */
import { BarePair } from './bare-pair.ts'
import { BenchHome, pause } from './home.ts'
import { cpuMs } from './process-use.ts'
import { figure, type Row, spreadOf } from './row.ts'
import { sourceCpuMs } from './source-cost.ts'

const ROUNDS = 3
/** Both get this to warm up, for just-in-time compilers and for the stream's own search for the bandwidth. */
const WARM_UP_BYTES = 100_000_000
const BARE_BYTES = 300_000_000
const MEASURE_MS = 4_000
/**
 * 45 Mbit/s and four frames make fragments of 750 kB, as a camera of 6 Mbit/s with a key frame each second has them. Many
 * times as fast as real time, the source delivers this part of what the rival has just moved: more than the target asks
 * for, and no more than that, for a source without limit only measures how fast a card fills.
 */
const OFFERED = 0.8
const SOURCE_BITRATE = 45_000_000
const FRAMES_PER_FRAGMENT = 4
const RING_BYTES = 2 * 1024 ** 3
const WITHIN_MS = 60_000

interface Run {
  readonly bytesPerMs: number
  /** Processor time per byte of the two processes. */
  readonly senderMsPerByte: number
  readonly receiverMsPerByte: number
}

export async function throughput(): Promise<Row[]> {
  const home = await BenchHome.open()
  const [ours, bare]: [Run[], Run[]] = [[], []]
  try {
    for (let round = 1; round <= ROUNDS; round++) {
      const rival = await runBare()
      bare.push(rival)
      ours.push(await runOurs(home, `camera${round}`, rival.bytesPerMs * OFFERED))
    }
  } finally {
    await home.close()
  }
  const sourceMs = await sourceCpuMs(`${sourceAt('max')},frames=1600`)
  const median = (runs: readonly Run[], part: (run: Run) => number) => spreadOf(runs.map(part)).median
  const cost = (runs: readonly Run[], part: (run: Run) => number) => figure(median(runs, part) * 1e6)
  const split = (runs: readonly Run[], names: readonly [string, string]) =>
    `${names[0]} ${cost(runs, (run) => run.senderMsPerByte)}, ${names[1]} ${cost(runs, (run) => run.receiverMsPerByte)}`
  const busy = median(ours, (run) => run.bytesPerMs * (run.senderMsPerByte + run.receiverMsPerByte))
  const bareBusy = median(bare, (run) => run.bytesPerMs * (run.senderMsPerByte + run.receiverMsPerByte))
  return [
    {
      name: 'throughput, sealed and durable',
      unit: 'MB/s',
      ours: ours.map((run) => run.bytesPerMs / 1000),
      rival: bare.map((run) => run.bytesPerMs / 1000),
      rivalName: 'bare secret-stream',
      target: { least: 0.6 },
      by: 'median',
      notes: [
        `processor ms per MB: ${split(ours, ['camera', 'storage'])}; bare ${split(bare, ['sender', 'receiver'])}`,
        `of the camera's, its fake source alone takes ${figure(sourceMs / (((SOURCE_BITRATE / 8 / 30) * 1600) / 1e6))}`,
        `camera and storage together kept ${figure(busy)} processors busy, the bare pair ${figure(bareBusy)}`,
      ],
    },
  ]
}

function sourceAt(speed: number | 'max'): string {
  return `fake:fps=30,gop=${FRAMES_PER_FRAGMENT},bitrate=${SOURCE_BITRATE},speed=${speed}`
}

/** What becomes safe within a while, once it runs. */
async function runOurs(home: BenchHome, name: string, offeredBytesPerMs: number): Promise<Run> {
  const speed = ((offeredBytesPerMs * 1000 * 8) / SOURCE_BITRATE).toFixed(2)
  const camera = await home.startCamera(name, sourceAt(Number(speed)), ['--ring-size', String(RING_BYTES)])
  const fragmentBytes = (SOURCE_BITRATE / 8) * (FRAMES_PER_FRAGMENT / 30)
  const pids = [camera.pid, home.storage.pid] as const
  const warm = ({ seq }: { seq: { acked: number } }) => seq.acked * fragmentBytes >= WARM_UP_BYTES
  const first = await home.until(name, 'warm', warm, WITHIN_MS)
  const started = performance.now()
  const before = await Promise.all(pids.map(cpuMs))
  await pause(MEASURE_MS)
  const { seq } = await home.status(name)
  const tookMs = performance.now() - started
  const after = await Promise.all(pids.map(cpuMs))
  await home.endCamera(name)
  return runOf((seq.acked - first.seq.acked) * fragmentBytes, tookMs, before, after)
}

async function runBare(): Promise<Run> {
  const pair = await BarePair.open()
  try {
    const pids = [pair.pids.sender, pair.pids.receiver] as const
    await pair.move(WARM_UP_BYTES)
    const before = await Promise.all(pids.map(cpuMs))
    const tookMs = await pair.move(BARE_BYTES)
    return runOf(BARE_BYTES, tookMs, before, await Promise.all(pids.map(cpuMs)))
  } finally {
    await pair.close()
  }
}

function runOf(bytes: number, tookMs: number, before: readonly number[], after: readonly number[]): Run {
  const spent = (index: number) => (after[index] ?? Number.NaN) - (before[index] ?? Number.NaN)
  return { bytesPerMs: bytes / tookMs, senderMsPerByte: spent(0) / bytes, receiverMsPerByte: spent(1) / bytes }
}
