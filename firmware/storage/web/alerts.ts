/** What is worth an owner's attention, health first. Pure: a look at the device in, what is the matter out. */
import type { Alert, Camera, Status } from './api.ts'

export type Finding = Omit<Alert, 'sinceMs'>
export type CameraLook = Omit<Camera, 'alerts'> & {
  /** How long nothing was stored, while it should be; undefined when that is not known yet. */
  readonly quietMs: number | undefined
}

export interface Look {
  readonly status: Status
  readonly cameras: readonly CameraLook[]
  /** How long the agent has been up. */
  readonly upMs: number
}

/** Longer than any camera's fragment, and than a restart of either side. */
export const QUIET_MS = 120_000
/** A part of the card that waits; half of it is many hours of footage. */
const RING_SHARE = 0.5
/** A card that is full within this time is worth a look. */
const RING_FULL_SOON_MS = 6 * 3_600_000
/** Time for the P2P server, or the internet, to come back by itself. */
const SERVER_PATIENCE_MS = 120_000

const ORDER = ['critical', 'warning', 'notice'] as const

/** The worst first. */
export function findAlerts(look: Look): Finding[] {
  const { status, cameras } = look
  const found = [...deviceFindings(look), ...cameras.flatMap((camera) => cameraFindings(camera, status.alarm !== null))]
  return found.sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity))
}

function deviceFindings({ status, upMs, cameras }: Look): Finding[] {
  const { alarm, disk, clock, p2p, keyBackupMs } = status
  const found: Finding[] = []
  const add = (finding: Omit<Finding, 'id' | 'camera'>) => found.push({ id: finding.kind, camera: null, ...finding })
  if (alarm !== null) {
    add({
      kind: 'disk-alarm',
      severity: 'critical',
      message: `The storage device keeps nothing right now: ${alarm.message}.`,
      hint: alarm.hint ?? 'The cameras keep their footage meanwhile.',
    })
  } else if (disk.freeBytes === null) {
    add({
      kind: 'disk-space',
      severity: 'critical',
      message: 'The disk does not answer.',
      hint: `Is it mounted at ${disk.root}? The cameras keep their footage meanwhile.`,
    })
  } else if (disk.freeBytes < disk.minFreeBytes) {
    add({
      kind: 'disk-space',
      severity: 'warning',
      message: 'The disk has less free space than footage is to leave.',
      hint: 'Let footage be kept for a shorter time, delete other files on that disk, or take a larger one.',
    })
  }
  if (clock === 'none') {
    add({
      kind: 'clock-wrong',
      severity: 'warning',
      message: 'The storage device does not know the time.',
      hint: 'Let it reach a time server (NTP). Old footage is not deleted by age meanwhile.',
    })
  }
  if (p2p.state === 'waiting' && upMs >= SERVER_PATIENCE_MS) {
    add({
      kind: 'server-unreachable',
      severity: 'warning',
      message: p2p.problem === null ? 'The P2P server does not answer.' : `${capital(p2p.problem.message)}.`,
      hint: p2p.problem?.hint ?? 'Cameras in the same network are found without it.',
    })
  }
  if (keyBackupMs === null && cameras.some(({ enrolledMs }) => enrolledMs !== null)) {
    add({
      kind: 'key-not-backed-up',
      severity: 'notice',
      message: 'The key of this storage device has never been backed up.',
      hint: 'Make a copy and keep it somewhere else: without it, footage that waits on cards could never be read.',
    })
  }
  return found
}

function cameraFindings(camera: CameraLook, diskAlarm: boolean): Finding[] {
  const { name, state, card, link, quietMs } = camera
  if (state === 'forgotten' || state === 'footage-only') return []
  const found: Finding[] = []
  const add = (finding: Omit<Finding, 'id' | 'camera'>) =>
    found.push({ id: `${finding.kind} ${camera.id}`, camera: camera.id, ...finding })
  if (quietMs !== undefined && quietMs >= QUIET_MS && !diskAlarm) {
    add({
      kind: 'nothing-stored',
      severity: 'critical',
      message: `${name} has not stored anything for ${spanText(quietMs)}.`,
      hint: link.connected
        ? 'It is connected, so its encoder may be down: `homeward camera status` on the camera says why.'
        : 'It is not connected. It records to its card as long as it has power: check its power and its network.',
    })
  }
  if (card?.full) {
    add({
      kind: 'ring-full',
      severity: 'critical',
      message: `The card of ${name} is full: what it films now is lost.`,
      hint: 'Bring the storage device back into its reach; nothing on the card is written over.',
    })
  } else if (card !== null && isFilling(card)) {
    const share = Math.floor((card.unackedBytes / card.capacityBytes) * 100)
    const soon = card.fullInMs === null ? '' : ` and will be full in ${spanText(card.fullInMs)}`
    add({
      kind: 'ring-filling',
      severity: 'warning',
      message: `The card of ${name} holds ${share} % of footage that is nowhere else${soon}.`,
      hint: 'The way to the camera is too slow, or was gone for long. It sends the oldest first.',
    })
  }
  if (card !== null && card.state !== 'ok') {
    add({
      kind: 'card-trouble',
      severity: 'warning',
      message: `${name} ${CARD_TROUBLE[card.state] ?? `says of its card: ${card.state}`}.`,
      hint: 'It records to memory: a power cut or a long outage costs footage. Check or replace the card.',
    })
  }
  if (camera.clock === 'none') {
    add({
      kind: 'clock-wrong',
      severity: 'notice',
      message: `${name} does not know the time.`,
      hint: 'Its footage is dated by this device as long as they are connected.',
    })
  }
  return found
}

const CARD_TROUBLE: Readonly<Record<string, string>> = {
  none: 'has no card in use',
  gone: 'misses its card',
  failed: 'cannot use its card any more',
  'read-only': 'can read its card but not write to it',
}

function isFilling({ capacityBytes, unackedBytes, fullInMs }: NonNullable<Camera['card']>): boolean {
  if (capacityBytes === 0) return false
  return unackedBytes / capacityBytes >= RING_SHARE || (fullInMs !== null && fullInMs < RING_FULL_SOON_MS)
}

function spanText(ms: number): string {
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 120) return minutes === 1 ? '1 minute' : `${minutes} minutes`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} hours` : `${Math.floor(hours / 24)} days`
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

/** Since when each has been there. Answers with all of them, and what changed since the last call. */
export class AlertBook {
  #known = new Map<string, Alert>()

  update(findings: readonly Finding[], nowMs: number): { raised: Alert[]; cleared: Alert[] } {
    const alerts = findings.map((finding) => ({ ...finding, sinceMs: this.#known.get(finding.id)?.sinceMs ?? nowMs }))
    const now = new Map(alerts.map((alert) => [alert.id, alert]))
    const raised = alerts.filter(({ id }) => !this.#known.has(id))
    const cleared = [...this.#known.values()].filter(({ id }) => !now.has(id))
    this.#known = now
    return { raised, cleared }
  }

  /** The worst first. */
  get alerts(): Alert[] {
    return [...this.#known.values()]
  }
}
