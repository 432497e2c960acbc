/** The device and its cameras as the page shows them, gathered from the running agent. */
import { formatUid } from '../../link/uid.ts'
import { describeError } from '../../platform/control.ts'
import { RealDisk } from '../../platform/disk-real.ts'
import { equalBytes, toHex } from '../../wire/bytes.ts'
import type { StorageAgent } from '../agent.ts'
import type { CameraTotals } from '../archive/totals.ts'
import type { IntakeStatus } from '../intake.ts'
import type { Traffic } from '../traffic.ts'
import { VERSION } from '../version.ts'
import type { CameraLook, Look } from './alerts.ts'
import type { Camera, Status } from './api.ts'
import type { Backlogs } from './backlogs.ts'

/** A camera that films sends something this often. */
const RECORDING_MS = 60_000

export interface LookParts {
  readonly agent: StorageAgent
  readonly traffic: Traffic
  readonly backlogs: Backlogs
  /** By the monotonic clock. */
  readonly startedUs: number
  readonly startedWallUs: number
  readonly keyBackupUs: () => number | undefined
}

const toMs = (us: number) => Math.max(0, Math.round(us / 1000))
const orNull = (us: number | undefined) => (us === undefined ? null : toMs(us))

export async function lookAt(parts: LookParts): Promise<Look> {
  const { agent, startedUs } = parts
  const upMs = toMs(agent.clock.monoUs() - startedUs)
  return { status: await statusLook(parts), cameras: cameraLooks(parts, upMs), upMs }
}

async function statusLook({ agent, traffic, startedWallUs, keyBackupUs }: LookParts): Promise<Status> {
  const { state, nat, problem } = agent.server.status
  const space = await new RealDisk().space(agent.root).catch(() => undefined)
  return {
    uid: agent.identity.uid,
    version: VERSION,
    nowMs: toMs(agent.clock.wallUs()),
    startedMs: toMs(startedWallUs),
    clock: agent.clock.quality(),
    alarm: agent.alarm ?? null,
    p2p: { state, nat: nat ?? null, problem: problem === undefined ? null : describeError(problem) },
    disk: {
      root: agent.root,
      totalBytes: space?.totalBytes ?? null,
      freeBytes: space?.freeBytes ?? null,
      footageBytes: agent.archive.totals().reduce((sum, { bytes }) => sum + bytes, 0),
      minFreeBytes: agent.minFreeBytes,
    },
    commit: traffic.commits(),
    keyBackupMs: orNull(keyBackupUs()),
  }
}

/** The paired ones as they were paired, then those that only left footage. */
function cameraLooks(parts: LookParts, upMs: number): CameraLook[] {
  const { agent } = parts
  const totals = agent.archive.totals()
  const listed = agent.cameras.all()
  const paired = listed.map((camera) => {
    const stored = totals.find((one) => equalBytes(one.camera, camera.key))
    return cameraLook(parts, { ...camera, listed: true }, stored, upMs)
  })
  const strays = totals.filter(({ camera }) => !listed.some(({ key }) => equalBytes(key, camera)))
  return [...paired, ...strays.map((stored) => cameraLook(parts, strayCamera(stored), stored, upMs))]
}

/** A camera by what stands in a path: its id, name or folder. Throws CAMERA_UNKNOWN. */
export function findCamera(agent: StorageAgent, text: string): Known {
  const stray = agent.archive.totals().find(({ camera, folder }) => folder === text || formatUid(camera) === text)
  try {
    return { ...agent.cameras.find(text), listed: true }
  } catch (error) {
    if (stray !== undefined) return strayCamera(stray)
    throw error
  }
}

export interface Known {
  readonly key: Uint8Array
  readonly uid: string
  readonly name: string
  readonly folder: string
  readonly listed: boolean
  readonly enrolledUs?: number
  readonly forgottenUs?: number
}

function strayCamera({ camera, folder }: CameraTotals): Known {
  return { key: camera, uid: formatUid(camera), name: folder, folder, listed: false }
}

function cameraLook(
  { agent, traffic, backlogs }: LookParts,
  camera: Known,
  stored: CameraTotals | undefined,
  upMs: number,
): CameraLook {
  const { key, uid, name, folder, enrolledUs, forgottenUs } = camera
  const status = agent.intake.statusOf(key)
  const newest = traffic.newest(key)
  const nowMonoUs = agent.clock.monoUs()
  const sinceStoredMs = newest === undefined ? undefined : toMs(nowMonoUs - newest.receivedMonoUs)
  const lastFragmentUs = newest?.receivedUs ?? stored?.lastReceivedUs
  return {
    id: uid,
    name,
    folder,
    state: stateOf(camera, status, sinceStoredMs, stored),
    enrolledMs: orNull(enrolledUs),
    forgottenMs: orNull(forgottenUs),
    link: {
      connected: status.connected,
      path: status.path ?? null,
      why: status.path === undefined ? null : (status.why ?? whyPath(status.path, agent.server.status.nat)),
      sinceMs: status.connected ? orNull(status.connectedUs) : null,
      lastSeenMs: orNull(status.lastSeenUs),
    },
    clock: status.camera?.clock ?? null,
    lastFragmentMs: orNull(lastFragmentUs),
    lagMs: newest?.lagUs === undefined ? null : toMs(newest.lagUs),
    card: cardOf(status, backlogs.fullInMs(toHex(key))),
    rates: traffic.rates(key),
    stored: {
      fragments: stored?.fragments ?? 0,
      bytes: stored?.bytes ?? 0,
      firstMs: orNull(stored?.firstUs),
      lastMs: orNull(stored?.lastUs),
    },
    tracks: tracksOf(agent, key),
    quietMs: sinceStoredMs ?? quietSince(agent, camera, stored, upMs),
  }
}

/** Before anything came: since the start of the agent, or since it was paired. */
function quietSince(
  { clock }: StorageAgent,
  { enrolledUs }: Known,
  stored: CameraTotals | undefined,
  upMs: number,
): number | undefined {
  const pairedMs = enrolledUs === undefined ? upMs : toMs(clock.wallUs() - enrolledUs)
  const waitedMs = Math.min(upMs, pairedMs)
  if (stored?.lastReceivedUs === undefined) return waitedMs
  const trueMs = toMs(clock.wallUs() - stored.lastReceivedUs)
  return waitedMs < RECORDING_MS ? waitedMs : Math.max(waitedMs, trueMs)
}

function stateOf(
  { listed, forgottenUs }: Known,
  { connected, lastSeenUs }: IntakeStatus,
  sinceStoredMs: number | undefined,
  stored: CameraTotals | undefined,
): Camera['state'] {
  if (!listed) return 'footage-only'
  if (forgottenUs !== undefined) return 'forgotten'
  if (connected) return sinceStoredMs !== undefined && sinceStoredMs < RECORDING_MS ? 'recording' : 'silent'
  return lastSeenUs === undefined && (stored?.fragments ?? 0) === 0 ? 'never-seen' : 'offline'
}

/** As far as it shows from here, for cameras that do not say. */
function whyPath(path: NonNullable<IntakeStatus['path']>, nat: string | undefined): string {
  switch (path) {
    case 'lan':
      return 'in the same network'
    case 'punched':
      return 'directly through the routers of both sides'
    case 'relay-udp':
      return nat === 'symmetric'
        ? 'relayed by the P2P server: the router here gives every peer another port, so no direct way opens'
        : 'relayed by the P2P server: no direct way through the routers has opened yet; it is tried again'
    case 'relay-tls':
      return 'relayed by the P2P server over TLS: no UDP gets through on one of the sides; it is tried again'
  }
}

/** The ring on the card, or the one in memory when that is all there is. */
function cardOf({ camera, saidUs }: IntakeStatus, fullInMs: number | undefined): Camera['card'] {
  const ring = camera?.rings.find(({ card }) => card !== 'none') ?? camera?.rings[0]
  if (ring === undefined) return null
  const { card, capacityBytes, usedBytes, unackedBytes, oldestUnackedAgeMs, full } = ring
  return {
    ...{ state: card, capacityBytes, usedBytes, unackedBytes, oldestUnackedAgeMs, full },
    fullInMs: fullInMs ?? null,
    asOfMs: toMs(saidUs ?? 0),
  }
}

function tracksOf({ archive }: StorageAgent, key: Uint8Array): Camera['tracks'] {
  try {
    const tracks = archive.archive.lastFile(key, Number.MAX_SAFE_INTEGER)?.row.tracks ?? []
    return tracks.map(({ kind, codec, width, height }) => ({
      kind,
      codec,
      ...(width === undefined ? {} : { width }),
      ...(height === undefined ? {} : { height }),
    }))
  } catch {
    // The disk is away: its alarm says so.
    return []
  }
}
