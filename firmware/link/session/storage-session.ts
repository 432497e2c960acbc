/** The storage device's end of one channel: answers what it holds, gives credit, takes records, acknowledges. */
import type { Clock, Timer } from '../../platform/clock.ts'
import { type ErrorCode, HomewardError, isHomewardError } from '../../wire/errors.ts'
import {
  type CameraMessage,
  type CameraMoment,
  type CameraStatus,
  clipName,
  clipText,
  decodeCameraFrame,
  encodeControl,
  type Piece,
  SESSION_VERSION,
  type StorageMessage,
} from '../../wire/session.ts'
import type { Channel } from '../channel.ts'
import type { CreditBudget, CreditShare } from './credit.ts'
import { DurablePages } from './durable-pages.ts'
import { Keeper, type KeeperOwner } from './keeper.ts'
import { Transfers } from './transfers.ts'

/** A camera that made a handshake but says nothing is left. */
export const HELLO_WITHIN_MS = 10_000

/** A granted record that does not move while other cameras wait for a grant ends the channel after this to twice this. */
export const GRANT_STALLED_MS = 60_000

export interface StorageSessionOwner extends KeeperOwner {
  readonly name: string
  /** Whether the camera should send what it captures now before what it kept. */
  readonly liveFirst: boolean
  readonly budget: CreditBudget
  hello(name: string): void
  /** The camera's clocks, read at most a moment before `receivedUs` of our own wall clock. */
  moment(moment: CameraMoment, receivedUs: number): void
  status(status: CameraStatus): void
  /** The camera has no such record to heal with. */
  unheld(log: string, seq: number): void
  ended(): void
}

type Phase = 'new' | 'waiting' | 'open' | 'closed'
type Message<T extends CameraMessage['type']> = Extract<CameraMessage, { type: T }>

export class StorageSession {
  readonly #channel: Channel
  readonly #owner: StorageSessionOwner
  readonly #clock: Clock
  readonly #transfers = new Transfers()
  readonly #keeper: Keeper
  readonly #pages: DurablePages
  #share: CreditShare | undefined
  #phase: Phase = 'new'
  #heals = false
  #timer: Timer | undefined
  /** A granted record is expected, and whether a piece of it came since the last look. */
  #grant: 'none' | 'fresh' | 'waiting' = 'none'

  constructor(channel: Channel, owner: StorageSessionOwner, clock: Clock) {
    this.#channel = channel
    this.#owner = owner
    this.#clock = clock
    const wire = {
      camera: channel.remote,
      tell: (message: StorageMessage) => this.#tell(message.type === 'ack' ? this.#stamped(message) : message),
      settle: (bytes: number, granted: boolean) => this.#share?.settle(bytes, granted),
    }
    this.#keeper = new Keeper(wire, owner, clock)
    this.#pages = new DurablePages({
      lookUp: (log, first, last) => owner.sink.durable(log, first, last),
      tell: (page) => this.#tell({ type: 'durable', ...page }),
      failed: (error) => this.#keeper.troubled(error),
    })
  }

  /** Sets everything going; the session ends with its channel. */
  start(): void {
    if (this.#phase !== 'new') return
    this.#phase = 'waiting'
    this.#channel.onDrain(() => this.#pages.resume())
    this.#timer = this.#clock.after(HELLO_WITHIN_MS, () =>
      this.#fail(new HomewardError('TIMED_OUT', `no hello within ${HELLO_WITHIN_MS} ms`)),
    )
    this.#channel.onMessage((frame) => this.#receive(frame))
    // Last, for a channel that has ended already says so at once.
    this.#channel.onClose(() => this.#end())
  }

  /** Closes the channel and waits until what arrived is stored or has failed. Idempotent. */
  async close(): Promise<void> {
    this.#leave('CANCELLED', 'the storage device closes this channel')
    await this.#channel.close()
    await this.#keeper.idle()
  }

  /** Asks for a record once more, for what was kept of it is damaged. False: this camera cannot be asked here. */
  heal(log: string, seq: number): boolean {
    if (this.#phase !== 'open' || !this.#heals) return false
    this.#tell({ type: 'heal', log, seq })
    return true
  }

  #receive(frame: Uint8Array): void {
    if (this.#phase === 'closed') return
    try {
      const decoded = decodeCameraFrame(frame)
      if (decoded.kind === 'piece') this.#piece(decoded.piece)
      else if (decoded.message.type === 'bye') this.#dismissed(decoded.message)
      else if (decoded.message.type === 'hello') this.#welcome(decoded.message)
      else this.#handle(decoded.message)
    } catch (error) {
      this.#fail(isHomewardError(error) ? error : new HomewardError('INTERNAL', String(error), { cause: error }))
    }
  }

  #welcome(message: Message<'hello'>): void {
    if (this.#phase !== 'waiting') throw new HomewardError('FRAME_MALFORMED', 'a second hello')
    if (message.version !== SESSION_VERSION) {
      throw new HomewardError('FRAME_VERSION', `session version ${message.version}, expected ${SESSION_VERSION}`)
    }
    this.#phase = 'open'
    this.#heals = message.heals === true
    const wallUs = this.#clock.wallUs()
    this.#owner.moment(message, wallUs)
    this.#owner.hello(message.name)
    this.#share = this.#owner.budget.join({
      credit: (id, bytes) => this.#tell({ type: 'credit', id, bytes }),
      grant: (id, bytes) => {
        this.#grant = 'fresh'
        this.#tell({ type: 'grant', id, bytes })
      },
    })
    this.#tell({
      type: 'welcome',
      version: SESSION_VERSION,
      name: clipName(this.#owner.name),
      wallUs,
      clock: this.#clock.quality(),
      creditBytes: this.#share.creditBytes,
      liveFirst: this.#owner.liveFirst,
    })
    this.#watchGrant()
  }

  #handle(message: Exclude<CameraMessage, { type: 'hello' | 'bye' }>): void {
    this.#mustBeOpen(message.type)
    switch (message.type) {
      case 'ask':
        this.#pages.ask(message.log, message.first, message.last)
        break
      case 'need':
        this.#share?.need(message.id, message.bytes)
        break
      case 'credited':
        this.#share?.confirm(message.id)
        break
      case 'lost':
        this.#keeper.lost(message)
        break
      case 'unheld':
        this.#owner.unheld(message.log, message.seq)
        break
      case 'status':
        this.#owner.moment(message, this.#clock.wallUs())
        this.#owner.status(message)
        break
    }
  }

  #piece(piece: Piece): void {
    this.#mustBeOpen('a piece')
    const record = this.#transfers.accept(piece, (total, granted) => this.#share?.take(total, granted))
    if (piece.granted) this.#grant = record === undefined ? 'fresh' : 'none'
    if (record !== undefined) this.#keeper.take(record)
  }

  #mustBeOpen(what: string): void {
    if (this.#phase !== 'open') throw new HomewardError('FRAME_MALFORMED', `${what} came before hello`)
  }

  #watchGrant(): void {
    this.#timer?.cancel()
    this.#timer = this.#clock.after(GRANT_STALLED_MS, () => {
      const { budget } = this.#owner
      if (this.#grant === 'waiting' && this.#share?.grantPending && budget.waiting > 0 && !this.#keeper.problem) {
        this.#fail(new HomewardError('TIMED_OUT', 'a granted record does not come, and other cameras wait'))
        return
      }
      if (this.#grant === 'fresh') this.#grant = 'waiting'
      this.#watchGrant()
    })
  }

  /** With our time, by which the camera's clock is measured. */
  #stamped(message: Extract<StorageMessage, { type: 'ack' }>): StorageMessage {
    return this.#clock.quality() === 'none' ? message : { ...message, wallUs: this.#clock.wallUs() }
  }

  /** False: wait for the channel to drain. */
  #tell(message: StorageMessage): boolean {
    return this.#phase !== 'closed' && this.#channel.send(encodeControl(message))
  }

  #dismissed({ code, text }: Message<'bye'>): void {
    if (code !== 'CANCELLED') this.#owner.warn(new HomewardError(code, `the camera says bye: ${text}`))
    this.#end()
    void this.#channel.close()
  }

  #fail(problem: HomewardError): void {
    this.#owner.warn(problem)
    this.#leave(problem.code, problem.message)
    void this.#channel.close()
  }

  #leave(code: ErrorCode, text: string): void {
    this.#tell({ type: 'bye', code, text: clipText(text) })
    this.#end()
  }

  #end(): void {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    this.#timer?.cancel()
    this.#keeper.close()
    this.#pages.close()
    for (const { totalBytes, granted } of this.#transfers.open()) this.#share?.settle(totalBytes, granted)
    this.#transfers.clear()
    this.#share?.close()
    this.#owner.ended()
  }
}
