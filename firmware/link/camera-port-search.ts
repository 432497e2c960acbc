/** The camera's half of a search for a port: asks the storage device for its half, and opens sockets or sprays. */
import { type Clock, sleep } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import type { Address } from './address.ts'
import { SEARCH_ASK_SCHEDULE_MS, type SearchRole } from './port-search.ts'
import { type SearchSocket, SearchSockets } from './search-sockets.ts'
import { Spray } from './spray.ts'

export interface CameraPortSearchOptions<Socket extends SearchSocket> {
  readonly clock: Clock
  readonly random: Random
  readonly open: () => Socket
  /** Sends the request to search; whether it arrives is not known. */
  readonly ask: () => void
  /** A probe of the attempt under way. */
  readonly probe: () => Uint8Array
  /** From the device's own port. */
  readonly send: (datagram: Uint8Array, to: Address) => void
  /** What arrives at one of the sockets. */
  readonly take: (datagram: Uint8Array, from: Address, socket: Socket) => void
}

export class CameraPortSearch<Socket extends SearchSocket> {
  readonly #options: CameraPortSearchOptions<Socket>
  /** Sockets at which something authentic arrived, by the number that the connect machine knows them under. */
  readonly #heard = new Map<number, Socket>()
  #lastNumber = 0
  #running: Running<Socket> | undefined
  readonly #ending = new Set<Promise<void>>()

  constructor(options: CameraPortSearchOptions<Socket>) {
    this.#options = options
  }

  /** `to`: where the P2P server sees the storage device. Takes the place of a search under way. */
  start(role: SearchRole, to: Address): void {
    this.stop()
    const { clock, open, probe, take } = this.#options
    const cancel = new AbortController()
    const answered = new AbortController()
    const sockets = role === 'listen' ? new SearchSockets({ clock, open, probe, to, take }) : undefined
    this.#running = { role, to, cancel, answered, sockets, spray: undefined }
    void this.#ask(AbortSignal.any([cancel.signal, answered.signal]))
  }

  /** The storage device has begun its half. */
  begun(): void {
    const running = this.#running
    if (running === undefined) return
    running.answered.abort()
    if (running.role === 'listen' || running.spray !== undefined) return
    const { clock, random, probe, send } = this.#options
    const { host } = running.to
    running.spray = new Spray({ clock, random, send: (port) => send(probe(), { host, port }) })
  }

  /** A probe was answered from there: if it was one of ours, that is enough. */
  answeredFrom({ host }: Address): void {
    if (this.#running?.to.host === host) this.#running.spray?.close()
  }

  /** What to call it from now on. */
  numberOf(socket: Socket): number {
    for (const [number, known] of this.#heard) if (known === socket) return number
    this.#lastNumber += 1
    this.#heard.set(this.#lastNumber, socket)
    return this.#lastNumber
  }

  socket(number: number): Socket | undefined {
    return this.#heard.get(number)
  }

  /** Takes it out of the search: the caller closes it. Undefined when the search is over. */
  takeOut(number: number): Socket | undefined {
    const socket = this.#heard.get(number)
    return socket !== undefined && this.#running?.sockets?.takeOut(socket) === true ? socket : undefined
  }

  /** Closes the sockets that were not taken out. Idempotent. */
  stop(): void {
    const running = this.#running
    if (running === undefined) return
    this.#running = undefined
    this.#heard.clear()
    running.cancel.abort()
    running.spray?.close()
    if (running.sockets === undefined) return
    const ending = running.sockets.close().finally(() => this.#ending.delete(ending))
    this.#ending.add(ending)
  }

  /** Idempotent; resolves when no socket of a search is left. */
  async close(): Promise<void> {
    this.stop()
    await Promise.all(this.#ending)
  }

  async #ask(signal: AbortSignal): Promise<void> {
    let atMs = 0
    for (const nextMs of SEARCH_ASK_SCHEDULE_MS) {
      await sleep(this.#options.clock, nextMs - atMs, signal)
      if (signal.aborted) return
      this.#options.ask()
      atMs = nextMs
    }
  }
}

interface Running<Socket extends SearchSocket> {
  readonly role: SearchRole
  readonly to: Address
  readonly cancel: AbortController
  readonly answered: AbortController
  readonly sockets: SearchSockets<Socket> | undefined
  spray: Spray | undefined
}
