/** How fast one camera gets footage onto the storage disk, sealing and every sync included, beside a bare stream. */
import { BarePair } from './bare-pair.ts'
import { BenchHome } from './home.ts'
import { cpuMs } from './process-use.ts'
import { figure, type Row, spreadOf } from './row.ts'
import { sourceCpuMs } from './source-cost.ts'

const ROUNDS = 3
const FRAGMENTS = 400
const FRAMES_PER_FRAGMENT = 4
/** 45 Mbit/s and four frames make fragments of 750 kB, as a camera of 6 Mbit/s with a key frame each second has them. */
const SOURCE = `fake:size=128x64,fps=30,gop=${FRAMES_PER_FRAGMENT},bitrate=45000000,speed=max,frames=${FRAGMENTS * FRAMES_PER_FRAGMENT}`
const RING_BYTES = 1024 ** 3
const WITHIN_MS = 60_000

interface Run {
  readonly bytes: number
  readonly tookMs: number
  /** Processor time of the two processes. */
  readonly senderMs: number
  readonly receiverMs: number
}

export async function throughput(): Promise<Row[]> {
  const home = await BenchHome.open()
  const [ours, bare]: [Run[], Run[]] = [[], []]
  try {
    for (let round = 1; round <= ROUNDS; round++) {
      const run = await runOurs(home, `camera${round}`)
      ours.push(run)
      bare.push(await runBare(run.bytes))
    }
  } finally {
    await home.close()
  }
  const sourceMs = await sourceCpuMs(SOURCE)
  const perMb = (runs: readonly Run[], part: (run: Run) => number) =>
    figure(spreadOf(runs.map((run) => part(run) / (run.bytes / 1e6))).median)
  const split = (runs: readonly Run[], names: readonly [string, string]) =>
    `${names[0]} ${perMb(runs, (run) => run.senderMs)}, ${names[1]} ${perMb(runs, (run) => run.receiverMs)}`
  const speed = ({ bytes, tookMs }: Run) => bytes / 1e6 / (tookMs / 1000)
  const busy = (runs: readonly Run[]) =>
    figure(spreadOf(runs.map(({ senderMs, receiverMs, tookMs }) => (senderMs + receiverMs) / tookMs)).median)
  return [
    {
      name: 'throughput, sealed and durable',
      unit: 'MB/s',
      ours: ours.map(speed),
      rival: bare.map(speed),
      rivalName: 'bare secret-stream',
      target: { least: 0.6 },
      by: 'median',
      notes: [
        `processor ms per MB: ${split(ours, ['camera', 'storage'])}; bare ${split(bare, ['sender', 'receiver'])}`,
        `of the camera's, its fake source alone takes ${figure(sourceMs / ((ours[0]?.bytes ?? 0) / 1e6))}`,
        `camera and storage together kept ${busy(ours)} processors busy, the bare pair ${busy(bare)}`,
      ],
    },
  ]
}

/** From the first fragment until all of them are safe. */
async function runOurs(home: BenchHome, name: string): Promise<Run> {
  const camera = await home.startCamera(name, SOURCE, ['--ring-size', String(RING_BYTES)])
  const pids = [camera.pid, home.storage.pid] as const
  await home.until(name, 'filming', ({ seq }) => seq.captured > 0, WITHIN_MS)
  const started = performance.now()
  const before = await Promise.all(pids.map(cpuMs))
  const { ring } = await home.until(name, 'all safe', ({ seq }) => seq.acked >= FRAGMENTS, WITHIN_MS)
  const tookMs = performance.now() - started
  const after = await Promise.all(pids.map(cpuMs))
  await home.endCamera(name)
  return runOf(ring.capturedBytes, tookMs, before, after)
}

async function runBare(bytes: number): Promise<Run> {
  const pair = await BarePair.open()
  try {
    const pids = [pair.pids.sender, pair.pids.receiver] as const
    const before = await Promise.all(pids.map(cpuMs))
    const tookMs = await pair.move(bytes)
    return runOf(bytes, tookMs, before, await Promise.all(pids.map(cpuMs)))
  } finally {
    await pair.close()
  }
}

function runOf(bytes: number, tookMs: number, before: readonly number[], after: readonly number[]): Run {
  const spent = (index: number) => (after[index] ?? Number.NaN) - (before[index] ?? Number.NaN)
  return { bytes, tookMs, senderMs: spent(0), receiverMs: spent(1) }
}
