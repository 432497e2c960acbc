/** How long a camera takes from its first packet to its first fragment that is safe, through real NATs, beside HyperDHT. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { HomewardError } from '../../firmware/wire/errors.ts'
import { Lab, labTrouble } from '../netlab/lab.ts'
import { LabHome } from '../netlab/lab-home.ts'
import { topologyNamed } from '../netlab/topologies.ts'
import type { Skipped } from './bench.ts'
import { Child } from './child.ts'
import type { Connected, ConnectOrders } from './connect-camera.ts'
import { pause } from './home.ts'
import { Hyperdht } from './hyperdht.ts'
import type { HyperdhtConnected } from './hyperdht-end.ts'
import { figure, type Row, spreadOf } from './row.ts'

/** Fewer for a quick look: `CONNECT_TRIES=3 make bench ONLY=connect`. */
const TRIES = 20
/** What each network may cost at most. */
const LIMITS_MS = { 'same-lan': 100, 'two-cones': 250, 'both-symmetric': 600, 'udp-blocked-camera': 1500 } as const
/** Longer than any network may take. */
const WITHIN = { withinMs: 30_000 }
/** Two connects must not meet. */
const PAUSE_MS = 250
/** A rival that has not got through so many times in a row, and never before, does not go this way. */
const RIVAL_FAILURES_MAX = 3
/** It knows both sides, and holds the way between them for impossible. */
const REFUSALS = /HOLEPUNCH|REMOTE_ABORTED/

interface Tried {
  readonly ours: (Connected | undefined)[]
  readonly rival: HyperdhtConnected[]
}

export async function connect(): Promise<Row[] | Skipped> {
  const skipped = await labTrouble()
  if (skipped !== undefined) return { skipped }
  const tries = triesWanted(process.env.CONNECT_TRIES)
  const rows: Row[] = []
  for (const [name, limitMs] of Object.entries(LIMITS_MS))
    rows.push(rowOf(name, limitMs, await tryNetwork(name, tries)))
  return rows
}

async function tryNetwork(name: string, tries: number): Promise<Tried> {
  const lab = await Lab.create(topologyNamed(name))
  try {
    return await tryIn(lab, tries)
  } finally {
    // With it ends all that runs in it.
    lab.close()
  }
}

async function tryIn(lab: Lab, tries: number): Promise<Tried> {
  const home = new LabHome(lab)
  await home.startServer()
  await home.startStorage()
  const { setupCode } = (await home.program('storage').call('pair', { name: 'camera' })) as { setupCode: string }
  const camera = new Child<ConnectOrders>('connect-camera.ts', (command) => lab.on('camera', command))
  const stateDir = join(lab.folder, 'camera')
  const paired = await camera.ask('pair', { code: setupCode, stateDir, connects: tries, ...WITHIN })
  if (paired === undefined) throw new HomewardError('TIMED_OUT', `${lab.topology.name}: the camera was not paired`)
  const hyperdht = await Hyperdht.open(lab)
  const tried: Tried = { ours: [], rival: [] }
  for (let number = 1; number <= tries; number += 1) {
    await pause(PAUSE_MS)
    tried.ours.push(await camera.ask('connect', WITHIN))
    await pause(PAUSE_MS)
    if (!isRefused(tried.rival)) tried.rival.push(await hyperdht.connect())
  }
  return tried
}

function isRefused(rival: readonly HyperdhtConnected[]): boolean {
  return rival.length >= RIVAL_FAILURES_MAX && rival.every((one) => 'code' in one)
}

function rowOf(name: string, limitMs: number, { ours, rival }: Tried): Row {
  const missed = ours.filter((one) => one === undefined).length
  const late = missed === 0 ? '' : `; ${missed} not within ${WITHIN.withinMs / 1000} s, entered as that`
  return {
    name: `connect, ${name}`,
    unit: 'ms',
    ours: ours.map((one) => one?.ackedMs ?? WITHIN.withinMs),
    rival: [limitMs],
    rivalName: 'limit',
    by: 'median',
    target: { most: 1 },
    notes: [
      `a channel after ${figure(spreadOf(ours.flatMap((one) => one?.channelMs ?? [])).median)} ms; ACKed by ${counted(ours.flatMap((one) => one?.path ?? []))}${late}`,
      `HyperDHT ${hyperdhtVersion()} until its first byte is echoed: ${rivalText(rival)}`,
    ],
  }
}

function rivalText(rival: readonly HyperdhtConnected[]): string {
  const times = rival.flatMap((one) => ('echoedMs' in one ? one.echoedMs : []))
  const codes = rival.flatMap((one) => ('code' in one ? one.code : []))
  const failed = codes.every((code) => REFUSALS.test(code)) ? 'refused' : 'not connected'
  const failures = codes.length === 0 ? '' : `${failed} (${counted(codes)})`
  if (times.length === 0) return failures
  const { median, min, max } = spreadOf(times)
  const good = `${times.length} of ${rival.length}, ${figure(median)} (${figure(min)}–${figure(max)}) ms`
  return [good, ...(failures === '' ? [] : [failures])].join('; ')
}

/** `punched 18, relay-udp 2`. */
function counted(names: readonly string[]): string {
  return [...new Set(names)].map((name) => `${name} ${names.filter((other) => other === name).length}`).join(', ')
}

function hyperdhtVersion(): string {
  const path = new URL('../../node_modules/hyperdht/package.json', import.meta.url)
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
}

function triesWanted(text: string | undefined): number {
  if (text === undefined) return TRIES
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text)
  throw new HomewardError('CONFIG_INVALID', `CONNECT_TRIES is "${text}", expected a whole number from 1`)
}
