/** The cells of the kill matrix: what is struck, how, and under which load. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ChannelPath } from '../../firmware/link/channel.ts'
import { accountFaults, type CameraLife } from './frame-account.ts'
import { GOP, StreamingHome, type StreamStatus } from './stream-fixture.ts'
import { pause } from './tool.ts'

interface Victim {
  readonly node: 'camera' | 'storage' | 'server'
  readonly topology: string
  /** On which the footage goes before the blow. */
  readonly path: ChannelPath
}

/** The P2P server twice: while nothing passes through it, and while it relays. */
const VICTIMS = {
  camera: { node: 'camera', topology: 'same-lan', path: 'lan' },
  storage: { node: 'storage', topology: 'same-lan', path: 'lan' },
  server: { node: 'server', topology: 'two-cones', path: 'punched' },
  relay: { node: 'server', topology: 'both-symmetric', path: 'relay-udp' },
  'relay-tls': { node: 'server', topology: 'udp-blocked-camera', path: 'relay-tls' },
} as const satisfies Record<string, Victim>

const BLOWS = ['kill', 'stop', 'cut'] as const
const LOADS = ['idle', 'live', 'backlog'] as const

export interface Cell {
  readonly victim: keyof typeof VICTIMS
  readonly blow: (typeof BLOWS)[number]
  readonly load: (typeof LOADS)[number]
}

export const CELLS: readonly Cell[] = (Object.keys(VICTIMS) as Cell['victim'][]).flatMap((victim) =>
  BLOWS.flatMap((blow) => LOADS.map((load) => ({ victim, blow, load }))),
)

export function cellName({ victim, blow, load }: Cell): string {
  return `${victim}-${blow}-${load}`
}

const FPS = 20
/** Fragments of an idle camera's only footage. */
const IDLE_FRAGMENTS = 15
const PICTURE = `fake:fps=${FPS},gop=${GOP},size=128x64`
const SOURCES: Record<Cell['load'], string> = {
  idle: `${PICTURE},bitrate=200000,frames=${IDLE_FRAGMENTS * GOP}`,
  live: `${PICTURE},bitrate=200000`,
  backlog: `${PICTURE},bitrate=16000000`,
}

const STOPPED_MS = 20_000
/** Longer than any channel is kept that is silent. */
const CUT_MS = 12_000
const DOWN_MS = 2_000
const FLOWS_WITHIN_MS = 90_000
/** A relay gives a pair 4 MB/s. */
const DRAINED_WITHIN_MS = 120_000
const OUTAGE_MS = 8_000
const BACKLOG_TRIES = 3
const BACKLOG_MIN_BYTES = 1_000_000
/** Between the last look at a camera and its death. */
const UNSEEN_S = 3

/** Throws what is wrong; resolves with how many frames are stored, and how soon new ones were. */
export async function strike(cell: Cell): Promise<string> {
  const { topology }: Victim = VICTIMS[cell.victim]
  let told = ''
  await StreamingHome.with(topology, SOURCES[cell.load], async (home) => {
    try {
      told = await struck(home, cell)
    } catch (error) {
      // The folder is about to be removed.
      throw new Error(`${error}\n${lastLines(home.lab.folder)}`, { cause: error })
    }
  })
  return told
}

async function struck(home: StreamingHome, cell: Cell): Promise<string> {
  const { path, node }: Victim = VICTIMS[cell.victim]
  const lives: CameraLife[] = []
  await home.settled(path, 500)
  const under = await UNDER[cell.load](home, path)
  const startMs = performance.now()
  await blow(home, cell, node, lives)
  const struckMs = performance.now()
  if (cell.load === 'idle') {
    // It films once more: another run, which has to get through as well.
    if (lives.length === 0) await restartIdle(home, lives)
    await home.until('filming again', ({ seq }) => seq.captured === IDLE_FRAGMENTS, FLOWS_WITHIN_MS)
  } else await home.flowsAgain(FLOWS_WITHIN_MS)
  const flowedMs = performance.now()
  await home.camera.call('stop-capture')
  const drained = await home.until('drained', ({ ring }) => ring.unackedBytes === 0, DRAINED_WITHIN_MS)
  lives.push({ fragments: drained.seq.captured, killed: false })
  const { damaged, missing, unindexed, gaps } = await home.verify()
  const frames = await home.storedFrames()
  const reasons = cell.victim === 'camera' && cell.blow === 'stop' ? ['too-slow'] : []
  const faults = accountFaults({ frames, gaps, gop: GOP, lives, reasons, unseenMax: UNSEEN_S * FPS })
  const found = [...damaged, ...missing, ...unindexed].map((one) => `verify: ${JSON.stringify(one)}`)
  if (faults.length + found.length > 0) throw new Error([...faults, ...found].join('; '))
  const lost = gaps.map(({ reason, first, last }) => `, ${reason} ${last - first + 1}`).join('')
  const times = `struck for ${seconds(startMs, struckMs)}, flowed ${seconds(struckMs, flowedMs)} later`
  return `${frames.length} frames in ${lives.length} runs${lost}; ${under}; ${times}`
}

/** Of what each program said. */
function lastLines(folder: string): string {
  const logs = readdirSync(folder).filter((name) => name.endsWith('.log'))
  return logs
    .map((name) => `${name}:\n${readFileSync(join(folder, name), 'utf8').trimEnd().split('\n').slice(-8).join('\n')}`)
    .join('\n')
}

async function blow(home: StreamingHome, cell: Cell, node: Victim['node'], lives: CameraLife[]): Promise<void> {
  const program = node === 'camera' ? home.camera : home.home.program(node)
  if (cell.blow === 'stop') {
    program.signal('SIGSTOP')
    await pause(STOPPED_MS)
    program.signal('SIGCONT')
  } else if (cell.blow === 'cut') {
    home.lab.faults.pull(node)
    await pause(CUT_MS)
    home.lab.faults.plug(node)
  } else {
    if (node === 'camera') lives.push({ fragments: (await home.status()).seq.captured, killed: true })
    await program.kill()
    await pause(DOWN_MS)
    if (node === 'camera') await home.startCamera()
    else if (node === 'storage') await home.home.startStorage()
    else await home.home.startServer()
  }
}

async function restartIdle(home: StreamingHome, lives: CameraLife[]): Promise<void> {
  lives.push({ fragments: (await home.status()).seq.captured, killed: false })
  await home.camera.stop()
  await home.startCamera()
}

/** Brings the load about; resolves with what it was at the moment of the blow. */
const UNDER: Record<Cell['load'], (home: StreamingHome, path: ChannelPath) => Promise<string>> = {
  idle: async (home) => {
    const isIdle = ({ seq, ring }: StreamStatus) => seq.captured === IDLE_FRAGMENTS && ring.unackedBytes === 0
    await home.until('idle', isIdle, FLOWS_WITHIN_MS)
    return 'nothing under way'
  },
  live: async (home) => {
    const { ring } = await home.status()
    return `${ring.unackedBytes} bytes under way`
  },
  backlog: async (home, path) => {
    for (let attempt = 1; ; attempt += 1) {
      home.lab.faults.pull('camera')
      await pause(OUTAGE_MS * attempt)
      const { seq: before } = await home.status()
      home.lab.faults.plug('camera')
      const runsDry = ({ ring }: StreamStatus) => ring.unackedBytes < BACKLOG_MIN_BYTES
      const isUp = (status: StreamStatus) => status.path === path && status.seq.acked > before.acked
      const { ring } = await home.until('sending', (status) => isUp(status) || runsDry(status), FLOWS_WITHIN_MS)
      const megabytes = (ring.unackedBytes / 1e6).toFixed(1)
      if (ring.unackedBytes >= BACKLOG_MIN_BYTES) return `${megabytes} MB waiting`
      if (attempt === BACKLOG_TRIES)
        throw new Error(`${BACKLOG_TRIES} backlogs were gone before anything could be struck`)
    }
  },
}

function seconds(fromMs: number, untilMs: number): string {
  return `${((untilMs - fromMs) / 1000).toFixed(1)} s`
}
