/** How fast one camera gets footage onto the storage disk, sealing and every sync included, beside a bare stream. */
import { BarePair } from './bare-pair.ts'
import { BenchHome } from './home.ts'
import { cpuMs } from './process-use.ts'
import { figure, type Row, spreadOf } from './row.ts'
import { sourceCpuMs } from './source-cost.ts'

const ROUNDS = 3
/** 90 Mbit/s and four frames make fragments of 1.5 MB, as a camera of 12 Mbit/s with a key frame each second has them. */
const SOURCE = 'fake:fps=30,gop=4,bitrate=90000000,speed=max'
const FRAMES_PER_FRAGMENT = 4
const FRAGMENTS = 600
/** Both get a third of it to warm up: just-in-time compilers, and the stream's own search for the bandwidth. */
const WARM_FRAGMENTS = 200
const FRAGMENT_BYTES = (90_000_000 / 8 / 30) * FRAMES_PER_FRAGMENT
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
      ours.push(await runOurs(home, `camera${round}`))
      bare.push(await runBare())
    }
  } finally {
    await home.close()
  }
  const sourceMs = await sourceCpuMs(`${SOURCE},frames=${FRAGMENTS * FRAMES_PER_FRAGMENT}`)
  const perMb = (runs: readonly Run[], part: (run: Run) => number) =>
    figure(spreadOf(runs.map((run) => part(run) / (run.bytes / 1e6))).median)
  const split = (runs: readonly Run[], names: readonly [string, string]) =>
    `${names[0]} ${perMb(runs, (run) => run.senderMs)}, ${names[1]} ${perMb(runs, (run) => run.receiverMs)}`
  const speed = ({ bytes, tookMs }: Run) => bytes / 1e6 / (tookMs / 1000)
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
        `of the camera's, its fake source alone takes ${figure(sourceMs / ((FRAGMENTS * FRAGMENT_BYTES) / 1e6))}`,
      ],
    },
  ]
}

/** Once it is warm, until all that the camera films is safe. */
async function runOurs(home: BenchHome, name: string): Promise<Run> {
  const source = `${SOURCE},frames=${FRAGMENTS * FRAMES_PER_FRAGMENT}`
  const camera = await home.startCamera(name, source, ['--ring-size', String(RING_BYTES)])
  const pids = [camera.pid, home.storage.pid] as const
  const warm = await home.until(name, 'warm', ({ seq }) => seq.acked >= WARM_FRAGMENTS, WITHIN_MS)
  const started = performance.now()
  const before = await Promise.all(pids.map(cpuMs))
  await home.until(name, 'all safe', ({ seq }) => seq.acked >= FRAGMENTS, WITHIN_MS)
  const tookMs = performance.now() - started
  const after = await Promise.all(pids.map(cpuMs))
  await home.endCamera(name)
  return runOf((FRAGMENTS - warm.seq.acked) * FRAGMENT_BYTES, tookMs, before, after)
}

async function runBare(): Promise<Run> {
  const pair = await BarePair.open()
  try {
    const pids = [pair.pids.sender, pair.pids.receiver] as const
    await pair.move(WARM_FRAGMENTS * FRAGMENT_BYTES)
    const before = await Promise.all(pids.map(cpuMs))
    const bytes = (FRAGMENTS - WARM_FRAGMENTS) * FRAGMENT_BYTES
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
