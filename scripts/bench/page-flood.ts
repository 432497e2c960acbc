/** How long fragments wait for their ACK while strangers and a greedy reader hammer the page's port, beside a quiet port. */

import { Child } from './child.ts'
import type { floodOrders } from './flood-end.ts'
import { BenchHome, pause } from './home.ts'
import { Owner } from './owner.ts'
import { cpuMs } from './process-use.ts'
import { figure, type Row } from './row.ts'

const CAMERAS = 4
/** A fragment every 200 ms: a percentile needs many of them. */
const SOURCE = 'fake:fps=30,gop=6,size=640x360,bitrate=2000000'
const MEASURE_MS = 40_000
const CLIENTS = 10_000

interface Measured {
  /** One for each camera. */
  readonly p99Ms: readonly number[]
  readonly p50Ms: readonly number[]
  readonly fragments: number
  readonly storageMsPerS: number
}

export async function pageFlood(): Promise<Row[]> {
  const home = await BenchHome.open(['--http-tls', 'off'])
  const flood = new Child<typeof floodOrders>('flood-end.ts')
  try {
    const owner = await Owner.of(home.storage)
    const names = Array.from({ length: CAMERAS }, (_, index) => `camera${index + 1}`)
    for (const name of names) await home.startCamera(name, SOURCE)
    await measured(home, names, 5_000)
    const idle = await measured(home, names, MEASURE_MS)
    await flood.ask('begin', { port: owner.port, token: owner.token, clients: CLIENTS })
    const hammered = await measured(home, names, MEASURE_MS)
    const { opened, refused, requests, tooMany } = await flood.ask('end', {})
    const notes = [
      `${CAMERAS} cameras, ${idle.fragments} fragments on a quiet port, ${hammered.fragments} on a hammered one; median wait ${figure(mean(idle.p50Ms))} and ${figure(mean(hammered.p50Ms))} ms`,
      `${CLIENTS} slow clients at a time, ${opened} connections in all, ${refused} of them ended by the storage device; ${requests} requests answered, ${tooMany} of them with 429`,
      `processor ms/s of the storage device: ${figure(idle.storageMsPerS)} and ${figure(hammered.storageMsPerS)}; clients in a process of lower priority, for elsewhere they would be on another machine`,
    ]
    return [
      {
        ...{ name: 'ACK p99 while the page is hammered', unit: 'ms', ours: hammered.p99Ms, rival: idle.p99Ms },
        ...{ rivalName: 'quiet', target: { most: 2 }, by: 'median', notes },
      },
    ]
  } finally {
    await flood.close()
    await home.close()
  }
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

/** The cameras begin anew, so that what they tell is of this time alone. */
async function measured(home: BenchHome, names: readonly string[], forMs: number): Promise<Measured> {
  for (const name of names) {
    await home.home.program(name).stop()
    await home.home.startCamera(name, SOURCE)
  }
  const before = await cpuMs(home.storage.pid)
  await pause(forMs)
  const all = await Promise.all(names.map((name) => home.status(name)))
  return {
    p99Ms: all.map(({ ackDelay }) => ackDelay.p99Ms),
    p50Ms: all.map(({ ackDelay }) => ackDelay.p50Ms),
    fragments: all.reduce((sum, { ackDelay }) => sum + ackDelay.count, 0),
    storageMsPerS: ((await cpuMs(home.storage.pid)) - before) / (forMs / 1000),
  }
}
