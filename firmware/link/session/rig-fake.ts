/** A camera's and a storage device's end of a session in one process, on fake channels and in fake time. */
import { FakeClock } from '../../platform/clock-fake.ts'
import type { HomewardError } from '../../wire/errors.ts'
import { addRange, containsRange, type Range } from '../../wire/ranges.ts'
import { type CameraStatus, decodeCameraFrame, decodeStorageFrame } from '../../wire/session.ts'
import type { Channel } from '../channel.ts'
import { FakeChannel } from '../channel-fake.ts'
import { tapped } from '../channel-tap-fixture.ts'
import {
  type AckKind,
  CameraSession,
  type CameraSessionOwner,
  type PeerAlarm,
  type PeerTime,
} from './camera-session.ts'
import { CreditBudget, type CreditOptions } from './credit.ts'
import type { KeptRecord, RecordOpening } from './keeper.ts'
import { FakeOpener, FakeSink } from './sink-fake.ts'
import type { RecordSource } from './source.ts'
import { FakeSource } from './source-fake.ts'
import { StorageSession, type StorageSessionOwner } from './storage-session.ts'

const CAMERA_KEY = new Uint8Array(32).fill(0xca)
const STORAGE_KEY = new Uint8Array(32).fill(0x5e)
export const KIB = 1024

/** Small numbers, so that windows fill with few bytes. */
export const SMALL_CREDIT: CreditOptions = { budgetBytes: 700 * KIB, baseBytes: 200 * KIB, largestBytes: 400 * KIB }

export interface RigOptions {
  readonly clock?: FakeClock
  readonly sink?: FakeSink
  readonly sources?: FakeSource[]
  readonly budget?: CreditBudget
  readonly liveFirst?: boolean
  readonly cameraKey?: Uint8Array
  readonly opener?: RecordOpening
}

/** One camera, its storage device, and every channel they had. */
export class Rig {
  readonly clock: FakeClock
  readonly sink: FakeSink
  readonly sources: FakeSource[]
  readonly budget: CreditBudget
  readonly cameraKey: Uint8Array
  liveFirst: boolean
  /** Everything both sides had to say, oldest first. */
  readonly problems: { readonly side: 'camera' | 'storage'; readonly code: string; readonly text: string }[] = []
  /** Control messages and whole records in the order they arrived, as short words. */
  readonly trace: string[] = []
  readonly acks: { readonly log: string; readonly ranges: readonly Range[]; readonly kind: AckKind }[] = []
  readonly kept: KeptRecord[] = []
  readonly quarantined: string[] = []
  /** What the camera did not have any more. */
  readonly unheld: string[] = []
  peerAlarm: PeerAlarm | undefined
  peerTime: PeerTime | undefined
  diskAlarm: string | undefined
  status: CameraStatus | undefined
  moments = 0
  ended = { camera: 0, storage: 0 }
  readonly #opener: RecordOpening
  readonly #acked = new Map<string, Range[]>()

  constructor(options: RigOptions = {}) {
    this.clock = options.clock ?? new FakeClock()
    this.sink = options.sink ?? new FakeSink(this.clock)
    this.cameraKey = options.cameraKey ?? CAMERA_KEY
    this.sources = options.sources ?? [this.source('1111111111111111')]
    this.budget = options.budget ?? new CreditBudget(SMALL_CREDIT)
    this.#opener = options.opener ?? new FakeOpener()
    this.liveFirst = options.liveFirst ?? true
  }

  /** A ring of this camera. */
  source(log: string): FakeSource {
    return new FakeSource({ camera: this.cameraKey, recipient: STORAGE_KEY, log })
  }

  /** The first ring. */
  get ring(): FakeSource {
    const [first] = this.sources
    if (first === undefined) throw new Error('no ring is attached')
    return first
  }

  pair(delayMs = 1, windowBytes = 128 * KIB): [FakeChannel, FakeChannel] {
    return FakeChannel.pair({ clock: this.clock, delayMs, windowBytes, keys: [this.cameraKey, STORAGE_KEY] })
  }

  /** Sessions on a new channel; `wrap` may stand between a session and its end. */
  connect(
    [cameraEnd, storageEnd]: readonly [Channel, Channel] = this.pair(),
    wrap: (channel: Channel, side: 'camera' | 'storage') => Channel = (channel) => channel,
  ): { camera: CameraSession; storage: StorageSession } {
    const storage = new StorageSession(
      this.#traced(wrap(storageEnd, 'storage'), 'storage'),
      this.#storageOwner(),
      this.clock,
    )
    const camera = new CameraSession(this.#traced(wrap(cameraEnd, 'camera'), 'camera'), this.#cameraOwner(), this.clock)
    storage.start()
    camera.start()
    return { camera, storage }
  }

  /** Lets time pass in small steps, so that what is read or opened meanwhile goes on at its own moment. */
  async run(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed++) await this.clock.advance(1)
  }

  /** Numbers that wait on every ring together. */
  waiting(): number {
    return this.sources.reduce((sum, source) => sum + source.waiting(), 0)
  }

  /** The words of the trace that begin so. */
  traced(prefix: string): string[] {
    return this.trace.filter((word) => word.startsWith(prefix))
  }

  #traced(channel: Channel, side: 'camera' | 'storage'): Channel {
    return tapped(channel, {
      arrived: (message, deliver) => {
        this.trace.push(describe(message, side))
        deliver(message)
      },
    })
  }

  #cameraOwner(): CameraSessionOwner {
    return {
      name: 'Front door',
      boot: 'b007b007b007b007',
      sources: () => this.sources,
      status: () => ({ state: 'streaming', captured: 0, acked: 0, rings: [] }),
      acked: (source: RecordSource, log, ranges, kind) => {
        this.acks.push({ log, ranges, kind })
        for (const [first, last] of ranges) this.#acked.set(log, addRange(this.#acked.get(log) ?? [], first, last))
        source.ack(log, ranges)
      },
      wasAcked: (log, first, last) => containsRange(this.#acked.get(log) ?? [], first, last),
      peerTime: (time) => {
        this.peerTime = time
      },
      alarm: (alarm) => {
        this.peerAlarm = alarm
      },
      warn: (problem) => this.#warn('camera', problem),
      ended: () => {
        this.ended.camera++
      },
    }
  }

  #storageOwner(): StorageSessionOwner {
    return {
      name: 'Attic',
      liveFirst: this.liveFirst,
      sink: this.sink,
      opener: this.#opener,
      budget: this.budget,
      hello: () => {},
      moment: () => {
        this.moments++
      },
      status: (status) => {
        this.status = status
      },
      kept: (record) => this.kept.push(record),
      quarantined: (problem) => this.quarantined.push(problem.code),
      alarm: (problem) => {
        this.diskAlarm = problem?.code
      },
      warn: (problem) => this.#warn('storage', problem),
      unheld: (log, seq) => this.unheld.push(`${log}/${seq}`),
      ended: () => {
        this.ended.storage++
      },
    }
  }

  #warn(side: 'camera' | 'storage', problem: HomewardError): void {
    this.problems.push({ side, code: problem.code, text: problem.message })
  }
}

function describe(message: Uint8Array, receiver: 'camera' | 'storage'): string {
  try {
    if (receiver === 'camera') {
      const heard = decodeStorageFrame(message)
      return 'ranges' in heard ? `${heard.type} ${heard.log} ${JSON.stringify(heard.ranges)}` : heard.type
    }
    const heard = decodeCameraFrame(message)
    if (heard.kind === 'control') return heard.message.type
    const { transfer, offset, granted } = heard.piece
    return `piece ${transfer}@${offset}${granted ? ' granted' : ''}`
  } catch {
    return 'malformed'
  }
}
