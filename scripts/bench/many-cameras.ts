/** How long fragments wait for their ACK when sixteen cameras share a storage device. */
import { BenchHome, pause } from './home.ts'
import { cpuMs } from './process-use.ts'
import { figure, type Row, spreadOf } from './row.ts'

const CAMERAS = 16
const SOURCE = 'fake:fps=30,gop=30,size=640x360,bitrate=4000000'
const MEASURE_MS = 30_000
const LIMIT_MS = 1500

export async function manyCameras(): Promise<Row[]> {
  const home = await BenchHome.open()
  try {
    const names = Array.from({ length: CAMERAS }, (_, index) => `camera${index + 1}`)
    for (const name of names) await home.startCamera(name, SOURCE)
    const pids = [home.storage.pid, ...names.map((name) => home.home.program(name).pid)]
    const before = await Promise.all(pids.map(cpuMs))
    await pause(MEASURE_MS)
    const after = await Promise.all(pids.map(cpuMs))
    const all = await Promise.all(names.map((name) => home.status(name)))
    const [storage = 0, ...cameras] = after.map((value, index) => (value - (before[index] ?? 0)) / (MEASURE_MS / 1000))
    const count = all.reduce((sum, { ackDelay }) => sum + ackDelay.count, 0)
    const waiting = all.reduce((sum, { seq }) => sum + seq.captured - seq.acked, 0)
    return [
      {
        name: `ACK delay p99, ${CAMERAS} × 4 Mbit/s`,
        unit: 'ms',
        ours: all.map(({ ackDelay }) => ackDelay.p99Ms),
        rival: [LIMIT_MS],
        rivalName: 'limit',
        by: 'worst',
        target: { most: 1 },
        notes: [
          `one value for each camera, over ${count} fragments in all; the median fragment waits ${figure(spreadOf(all.map(({ ackDelay }) => ackDelay.p50Ms)).median)} ms`,
          `processor ms/s: storage ${figure(storage)}, a camera with its fake source ${figure(spreadOf(cameras).median)}; ${waiting} fragments under way at the end`,
        ],
      },
    ]
  } finally {
    await home.close()
  }
}
