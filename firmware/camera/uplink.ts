/**
 * From the rings to the storage device: one session on whatever channel the link has, and what survives the channels, which
 * is the knowledge of what is safe. Rings come and go while it runs: the card, memory while there is no card.
 */
import type { Channel } from '../link/channel.ts'
import {
  type AckKind,
  CameraSession,
  type CameraSessionOwner,
  type PeerAlarm,
  type PeerTime,
} from '../link/session/camera-session.ts'
import type { RecordSource } from '../link/session/source.ts'
import type { Clock } from '../platform/clock.ts'
import type { HomewardError } from '../wire/errors.ts'
import { addRange, containsRange, countRanges, type Range } from '../wire/ranges.ts'
import type { RingStatus } from '../wire/session.ts'
import type { Ring } from './ring/ring.ts'

/** Logs whose ACKs are remembered: a card that is pulled and pushed in again may not have written them down. */
const LOGS_REMEMBERED = 256

export type UplinkRing = RecordSource & Pick<Ring, 'stats' | 'backlog'>

export interface UplinkOptions {
  readonly link: { onChannel(listener: (channel: Channel) => void): () => void }
  readonly clock: Clock
  /** As the storage device shows it. */
  readonly name: () => string
  /** 16 hex digits of this boot. */
  readonly boot: string
  /** What the camera is doing, the fragments captured since the start, and why the channel takes its path. */
  readonly report: () => { readonly state: string; readonly captured: number; readonly why?: string }
  /** The storage device's clock, learned with every channel. */
  readonly onPeerTime?: (time: PeerTime) => void
  /** The storage device keeps nothing right now; undefined when it does again. */
  readonly onAlarm?: (alarm: PeerAlarm | undefined) => void
  readonly onWarning?: (problem: HomewardError) => void
}

export interface UplinkStatus {
  /** A session is open. */
  readonly connected: boolean
  /** Fragments captured since the start that are safe. */
  readonly acked: number
  /** Fragments of earlier starts that became safe since this one. */
  readonly ackedBefore: number
  /** Records that the storage device keeps, but could not read. */
  readonly quarantined: number
  readonly inFlight: { readonly records: number; readonly bytes: number }
  /** Since the last acknowledgement; undefined before the first. */
  readonly lastAckAgoMs: number | undefined
  readonly alarm: PeerAlarm | undefined
  readonly peerTime: PeerTime | undefined
}

export class Uplink {
  readonly #options: UplinkOptions
  /** What is safe, by log; least recently used first. */
  readonly #safe = new Map<string, Range[]>()
  /** Logs written since the start. */
  readonly #ownLogs = new Set<string>()
  readonly #closing = new Set<Promise<void>>()
  #rings: readonly UplinkRing[] = []
  #session: CameraSession | undefined
  #stopListening: (() => void) | undefined
  #acked = 0
  #ackedBefore = 0
  #quarantined = 0
  #lastAckUs: number | undefined
  #alarm: PeerAlarm | undefined
  #peerTime: PeerTime | undefined

  constructor(options: UplinkOptions) {
    this.#options = options
  }

  start(): void {
    this.#stopListening ??= this.#options.link.onChannel((channel) => this.#open(channel))
  }

  /** The rings that are attached from now on; those to be emptied first stand first. */
  setRings(rings: readonly UplinkRing[]): void {
    const fresh = rings.filter((ring) => !this.#rings.includes(ring))
    this.#rings = [...rings]
    for (const ring of fresh) {
      this.#ownLogs.add(ring.log)
      for (const { log } of ring.logs()) {
        const safe = this.#safe.get(log)
        if (safe !== undefined) ring.ack(log, safe)
      }
    }
    this.#session?.sourcesChanged()
  }

  get status(): UplinkStatus {
    const { clock } = this.#options
    return {
      connected: this.#session?.welcomed === true,
      acked: this.#acked,
      ackedBefore: this.#ackedBefore,
      quarantined: this.#quarantined,
      inFlight: this.#session?.inFlight ?? { records: 0, bytes: 0 },
      lastAckAgoMs: this.#lastAckUs === undefined ? undefined : Math.round((clock.monoUs() - this.#lastAckUs) / 1000),
      alarm: this.#alarm,
      peerTime: this.#peerTime,
    }
  }

  /** Closes the channel in use. Idempotent. */
  async close(): Promise<void> {
    this.#stopListening?.()
    this.#stopListening = () => {}
    this.#closeSession()
    await Promise.all(this.#closing)
  }

  /** The newest channel is the best one: the one before is closed, and what was in flight on it is asked about again. */
  #open(channel: Channel): void {
    this.#closeSession()
    const session: CameraSession = new CameraSession(
      channel,
      this.#ownerOf(() => {
        if (this.#session === session) this.#session = undefined
      }),
      this.#options.clock,
    )
    this.#session = session
    session.start()
  }

  #closeSession(): void {
    if (this.#session === undefined) return
    const closing = this.#session.close()
    this.#session = undefined
    this.#setAlarm(undefined)
    this.#closing.add(closing)
    void closing.finally(() => this.#closing.delete(closing))
  }

  #ownerOf(ended: () => void): CameraSessionOwner {
    const { name, boot, report, onPeerTime, onWarning } = this.#options
    return {
      name: name(),
      boot,
      sources: () => this.#rings,
      status: () => ({
        ...report(),
        acked: this.#acked,
        rings: this.#rings.map(ringStatus),
        backlog: this.#rings.flatMap((ring) => ring.backlog()),
      }),
      acked: (source, log, ranges, kind) => this.#markSafe(source, log, ranges, kind),
      wasAcked: (log, first, last) => containsRange(this.#safe.get(log) ?? [], first, last),
      peerTime: (time) => {
        this.#peerTime = time
        onPeerTime?.(time)
      },
      alarm: (alarm) => this.#setAlarm(alarm),
      warn: (problem) => onWarning?.(problem),
      ended: () => {
        this.#setAlarm(undefined)
        ended()
      },
    }
  }

  #setAlarm(alarm: PeerAlarm | undefined): void {
    if (alarm === undefined && this.#alarm === undefined) return
    this.#alarm = alarm
    this.#options.onAlarm?.(alarm)
  }

  #markSafe(source: RecordSource, log: string, ranges: readonly Range[], kind: AckKind): void {
    const ring = this.#rings.find((each) => each === source)
    const fragments = ring === undefined ? countRanges(ranges) : waitingFragments(ring, log, ranges)
    if (this.#ownLogs.has(log)) this.#acked += fragments
    else this.#ackedBefore += fragments
    if (kind === 'quarantined') this.#quarantined += 1
    this.#lastAckUs = this.#options.clock.monoUs()
    this.#remember(log, ranges)
    ring?.ack(log, ranges)
  }

  #remember(log: string, ranges: readonly Range[]): void {
    const known = this.#safe.get(log) ?? []
    this.#safe.delete(log)
    this.#safe.set(
      log,
      ranges.reduce<Range[]>((all, [first, last]) => addRange(all, first, last), known),
    )
    const oldest = this.#safe.size > LOGS_REMEMBERED ? this.#safe.keys().next().value : undefined
    if (oldest !== undefined) this.#safe.delete(oldest)
  }
}

/** Fragments within `ranges` that the ring still holds as not safe. */
function waitingFragments(ring: RecordSource, log: string, ranges: readonly Range[]): number {
  let count = 0
  for (const [first, last] of ranges) {
    for (
      let ref = ring.next(log, first);
      ref !== undefined && ref.seq <= last;
      ref = ring.next(log, ref.seq + ref.span)
    ) {
      if (ref.kind === 'fragment') count++
    }
  }
  return count
}

function ringStatus(ring: UplinkRing): RingStatus {
  const { capacityBytes, usedBytes, unackedBytes, oldestUnackedAgeMs, writtenBytes, full, card } = ring.stats()
  const whole = (value: number) => Math.max(0, Math.round(value))
  return {
    log: ring.log,
    capacityBytes: whole(capacityBytes),
    usedBytes: whole(usedBytes),
    unackedBytes: whole(unackedBytes),
    oldestUnackedAgeMs: whole(oldestUnackedAgeMs),
    writtenBytes: whole(writtenBytes),
    full,
    card,
  }
}
