/**
 * From the cameras to the archive: a session on every channel the link brings, one memory budget for all of them, and what
 * is known of each camera while the agent runs.
 */
import type { Channel, ChannelPath } from '../link/channel.ts'
import { CreditBudget } from '../link/session/credit.ts'
import type { RecordOpening } from '../link/session/keeper.ts'
import type { Loss, RecordName, RecordSink } from '../link/session/sink.ts'
import { StorageSession, type StorageSessionOwner } from '../link/session/storage-session.ts'
import { formatUid } from '../link/uid.ts'
import type { Clock } from '../platform/clock.ts'
import { toHex } from '../wire/bytes.ts'
import type { HomewardError } from '../wire/errors.ts'
import { missingFrom } from '../wire/ranges.ts'
import { type RecordHeader, splitPayload } from '../wire/record.ts'
import type { CameraMoment, CameraStatus } from '../wire/session.ts'
import type { Archive } from './archive/archive.ts'
import { StallWatch } from './stall-watch.ts'

/**
 * The old and the new channel of a camera that changes its path, and one that is being given up. More is not normal: the
 * oldest goes.
 */
const CHANNELS_PER_CAMERA = 3

export type IntakeArchive = Pick<Archive, 'store' | 'gap' | 'quarantine' | 'durable'>

export interface IntakeOptions {
  /** `camera` of a channel is `channel.remote`, proven. */
  readonly link: { onChannel(listener: (camera: unknown, channel: Channel) => void): () => void }
  readonly archive: IntakeArchive
  readonly opener: RecordOpening
  readonly clock: Clock
  /** As cameras show it. */
  readonly name?: string
  /** Live footage before the backlog; true by default. */
  readonly liveFirst?: boolean
  readonly budget?: CreditBudget
  /** The camera's clocks, at most a moment before `receivedUs`: at each hello, and every few seconds. */
  readonly onMoment?: (camera: Uint8Array, moment: CameraMoment, receivedUs: number) => void
  /** A fragment of the camera is on the disk for good. */
  readonly onStored?: (camera: Uint8Array, header: RecordHeader, bytes: number, receivedUs: number) => void
  /** Nothing is acknowledged, and why; undefined when records are stored again. */
  readonly onAlarm?: (problem: HomewardError | undefined) => void
  /** The camera does not have what was asked for with `heal`. */
  readonly onUnheld?: (camera: Uint8Array, log: string, seq: number) => void
  /** `camera` is its UID. */
  readonly onWarning?: (camera: string, problem: HomewardError) => void
}

/** What is known of a camera since the agent started. */
export interface IntakeStatus {
  readonly connected: boolean
  /** What the camera calls itself. */
  readonly ownName: string | undefined
  /** Of the newest channel. */
  readonly path: ChannelPath | undefined
  /** Why this path, as the camera says; older ones do not. */
  readonly why: string | undefined
  /** Wall time, as all of these. */
  readonly connectedUs: number | undefined
  readonly lastSeenUs: number | undefined
  readonly lastFragment: { readonly log: string; readonly seq: number; readonly receivedUs: number } | undefined
  readonly received: {
    readonly fragments: number
    readonly bytes: number
    readonly duplicates: number
    readonly conflicts: number
    readonly gaps: number
    readonly quarantined: number
  }
  /** As the camera said last, its rings among them. */
  readonly camera: Omit<CameraStatus, 'type'> | undefined
  /** When it said so. */
  readonly saidUs: number | undefined
}

interface OpenSession {
  readonly session: StorageSession
  readonly path: ChannelPath
  why: string | undefined
}

interface CameraState {
  readonly key: Uint8Array
  /** Oldest first. */
  readonly sessions: OpenSession[]
  ownName: string | undefined
  connectedUs: number | undefined
  lastSeenUs: number | undefined
  lastFragment: IntakeStatus['lastFragment']
  readonly received: { -readonly [Name in keyof IntakeStatus['received']]: number }
  status: IntakeStatus['camera']
  saidUs: number | undefined
}

export class Intake {
  readonly #options: IntakeOptions
  readonly #budget: CreditBudget
  readonly #cameras = new Map<string, CameraState>()
  readonly #closing = new Set<Promise<void>>()
  #stopListening: (() => void) | undefined
  /** Sessions whose disk alarm is on. */
  readonly #alarmed = new Set<OpenSession>()
  #alarm: HomewardError | undefined
  /** The disk hangs. */
  #stall: HomewardError | undefined

  constructor(options: IntakeOptions) {
    const watch = new StallWatch(options.clock, (problem) => {
      this.#stall = problem
      this.#written()
    })
    this.#options = { ...options, archive: watchedArchive(options.archive, watch) }
    this.#budget = options.budget ?? new CreditBudget()
  }

  start(): void {
    this.#stopListening ??= this.#options.link.onChannel((_, channel) => this.#open(channel))
  }

  /** Why nothing is acknowledged; undefined while all is well. */
  get alarm(): { readonly code: string; readonly message: string; readonly hint?: string } | undefined {
    if (this.#alarm === undefined) return undefined
    const { code, message, hint } = this.#alarm
    return { code, message, ...(hint === undefined ? {} : { hint }) }
  }

  /** Memory that records may take, by what the cameras were allowed to send. */
  get committedBytes(): number {
    return this.#budget.committedBytes
  }

  /** Also for a camera that never came. */
  statusOf(camera: Uint8Array): IntakeStatus {
    const state = this.#cameras.get(toHex(camera)) ?? newState(camera)
    const { ownName, connectedUs, lastSeenUs, lastFragment, received, status, saidUs } = state
    const { path, why } = state.sessions.at(-1) ?? { path: undefined, why: undefined }
    const connected = path !== undefined
    return { connected, ownName, path, why, connectedUs, lastSeenUs, lastFragment, received, camera: status, saidUs }
  }

  /** Asks the camera for a record once more. False: it is not connected, or cannot be asked. */
  heal(camera: Uint8Array, log: string, seq: number): boolean {
    const sessions = this.#cameras.get(toHex(camera))?.sessions ?? []
    return sessions.toReversed().some(({ session }) => session.heal(log, seq))
  }

  /** Closes every channel and waits until what arrived is stored or has failed. Idempotent. */
  async close(): Promise<void> {
    this.#stopListening?.()
    this.#stopListening = () => {}
    for (const { sessions } of this.#cameras.values()) for (const { session } of [...sessions]) this.#close(session)
    await Promise.all(this.#closing)
  }

  #open(channel: Channel): void {
    const id = toHex(channel.remote)
    const state = this.#cameras.get(id) ?? newState(channel.remote)
    this.#cameras.set(id, state)
    const entry: OpenSession = {
      path: channel.path,
      why: undefined,
      session: new StorageSession(
        channel,
        this.#ownerOf(state, () => entry),
        this.#options.clock,
      ),
    }
    state.sessions.push(entry)
    state.connectedUs = this.#options.clock.wallUs()
    entry.session.start()
    for (const { session } of state.sessions.slice(0, -CHANNELS_PER_CAMERA)) this.#close(session)
  }

  #ended({ sessions }: CameraState, entry: OpenSession): void {
    this.#alarmed.delete(entry)
    const at = sessions.indexOf(entry)
    if (at >= 0) sessions.splice(at, 1)
    // What arrived is still being stored.
    this.#close(entry.session)
  }

  #close(session: StorageSession): void {
    const closing = session.close()
    this.#closing.add(closing)
    void closing.finally(() => this.#closing.delete(closing))
  }

  #ownerOf(state: CameraState, entry: () => OpenSession): StorageSessionOwner {
    const { archive, opener, clock, name = 'storage', liveFirst = true, onMoment, onUnheld, onWarning } = this.#options
    const uid = formatUid(state.key)
    const { received } = state
    return {
      name,
      liveFirst,
      sink: sinkOf(archive, state.key),
      opener,
      budget: this.#budget,
      hello: (ownName) => {
        state.ownName = ownName
      },
      moment: (moment, receivedUs) => {
        state.lastSeenUs = clock.wallUs()
        onMoment?.(state.key, moment, receivedUs)
      },
      status: ({ type: _, ...status }) => {
        state.status = status
        state.saidUs = clock.wallUs()
        entry().why = status.why
      },
      kept: ({ header, bytes, receivedUs, outcome }) => {
        state.lastSeenUs = receivedUs
        received.bytes += bytes
        if (outcome === 'duplicate') received.duplicates += 1
        else if (outcome === 'conflict') received.conflicts += 1
        else if (header.kind === 'gap') received.gaps += 1
        else {
          received.fragments += 1
          state.lastFragment = { log: header.log, seq: header.seq, receivedUs }
          this.#options.onStored?.(state.key, header, bytes, receivedUs)
        }
        if (outcome !== 'duplicate') this.#written()
      },
      quarantined: (problem) => {
        received.quarantined += 1
        this.#written()
        onWarning?.(uid, problem)
      },
      alarm: (problem) => {
        if (problem === undefined) this.#alarmed.delete(entry())
        else this.#alarmed.add(entry())
        if (problem !== undefined) this.#setAlarm(problem)
        else this.#written()
      },
      warn: (problem) => onWarning?.(uid, problem),
      unheld: (log, seq) => onUnheld?.(state.key, log, seq),
      ended: () => this.#ended(state, entry()),
    }
  }

  /** An alarm whose session is gone is over with the next record that is written. */
  #written(): void {
    if (this.#alarmed.size === 0) this.#setAlarm(this.#stall)
  }

  #setAlarm(problem: HomewardError | undefined): void {
    if (this.#alarm?.code === problem?.code) return
    this.#alarm = problem
    this.#options.onAlarm?.(problem)
  }
}

function newState(key: Uint8Array): CameraState {
  return {
    key,
    sessions: [],
    ownName: undefined,
    connectedUs: undefined,
    lastSeenUs: undefined,
    lastFragment: undefined,
    received: { fragments: 0, bytes: 0, duplicates: 0, conflicts: 0, gaps: 0, quarantined: 0 },
    status: undefined,
    saidUs: undefined,
  }
}

function watchedArchive(archive: IntakeArchive, watch: StallWatch): IntakeArchive {
  return {
    store: (...args) => watch.over(archive.store(...args)),
    gap: (...args) => watch.over(archive.gap(...args)),
    quarantine: (...args) => watch.over(archive.quarantine(...args)),
    durable: (...args) => archive.durable(...args),
  }
}

/** One camera's part of the archive. */
function sinkOf(archive: IntakeArchive, camera: Uint8Array): RecordSink {
  return {
    store: async (header, payload, receivedUs) => archive.store(camera, header, splitPayload(payload), receivedUs),
    gap: (header, gap) => archive.gap(camera, header, gap.reason, gap.note, gap.since),
    lost: async (loss) => {
      const settled = archive.durable(camera, loss.log, loss.first, loss.last)
      for (const [first, last] of missingFrom(settled, loss.first, loss.last)) {
        await archive.gap(camera, lossHeader(camera, { ...loss, first, last }), loss.reason)
      }
    },
    quarantine: (record: Uint8Array, why: HomewardError, name: RecordName | undefined) =>
      archive.quarantine(camera, record, `${why.code}: ${why.message}`, name),
    durable: (log, first, last) => archive.durable(camera, log, first, last),
  }
}

/** What little is known of numbers that the card lost: neither when they were captured nor in which boot. */
function lossHeader(camera: Uint8Array, { log, first, last }: Loss): RecordHeader {
  return {
    kind: 'gap',
    seq: first,
    span: last - first + 1,
    run: 0,
    boot: '0000000000000000',
    monoUs: 0,
    wallUs: 0,
    clock: 'none',
    durationUs: 0,
    keyFrame: false,
    runStart: false,
    camera,
    log,
    recipient: new Uint8Array(32),
    wrappedKey: new Uint8Array(80),
    signature: new Uint8Array(64),
    nonce: new Uint8Array(24),
    payloadBytes: 0,
  }
}
