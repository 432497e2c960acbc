/** The P2P server: its key given, pinned or learned, this device registered there, and the log told of each change. */
import type { Logger } from 'pino'
import type { Address } from '../link/address.ts'
import type { NatKind } from '../link/nat.ts'
import { ServerAddresses } from '../link/server-addresses.ts'
import { learnServer, pinnedServer, pinServer, type ServerPlace } from '../link/server-key.ts'
import type { SetupServer } from '../link/setup-code.ts'
import type { StorageLink } from '../link/storage-link.ts'
import { dialServer } from '../link/tls-line.ts'
import { Changes } from '../platform/changes.ts'
import { type Clock, sleep } from '../platform/clock.ts'
import { errorLine, type HomewardError, isHomewardError } from '../wire/errors.ts'

/** A server that was down at the first contact is asked again after this time. */
const LEARN_RETRY_MS = 5_000
/** Shorter than the registration's first pause between two attempts, so that no trouble is missed. */
const LOOK_MS = 250

export interface ServerContactOptions {
  readonly state: string
  /** Undefined: cameras in the same network only. */
  readonly place: ServerPlace | undefined
  /** Where it is reached by TLS, when that is not the same host and its own word. */
  readonly tls: ServerPlace | undefined
  /** Learned at the first contact when undefined. */
  readonly key: Uint8Array | undefined
  readonly link: StorageLink
  readonly clock: Clock
  readonly log: Logger
}

export interface ServerStatus {
  readonly state: 'none' | 'contacting' | 'registered' | 'waiting'
  /** What this device's own NAT does, once it is known. */
  readonly nat?: NatKind
  readonly problem?: HomewardError
}

export class ServerContact {
  readonly #options: ServerContactOptions
  readonly #stopping = new AbortController()
  readonly #changes = new Changes()
  #server: SetupServer | undefined
  #problem: HomewardError | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(options: ServerContactOptions) {
    this.#options = options
  }

  /** Once, after the link was started. */
  start(): void {
    this.#running = this.#run(this.#stopping.signal)
  }

  /** With its pin; undefined without a server, and until its first answer. */
  get server(): SetupServer | undefined {
    return this.#server
  }

  get status(): ServerStatus {
    const { place, link } = this.#options
    if (place === undefined) return { state: 'none' }
    const registration = link.status().registration
    const problem = registration?.state === 'waiting' ? registration.error : this.#problem
    if (problem !== undefined) return { state: 'waiting', problem }
    const { nat } = link.status()
    return {
      state: registration?.state === 'registered' ? 'registered' : 'contacting',
      ...(nat === undefined ? {} : { nat }),
    }
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { place, tls, link, clock } = this.#options
    if (place === undefined) return
    this.#server = await this.#find(place, signal)
    if (this.#server === undefined || signal.aborted) return
    link.useServer(new ServerAddresses(this.#server, clock, { tls }))
    while (!signal.aborted) {
      this.#look(place)
      await sleep(clock, LOOK_MS, signal)
    }
  }

  /** A server that does not answer is asked again until it does. */
  async #find(place: ServerPlace, signal: AbortSignal): Promise<SetupServer | undefined> {
    const { state, key, tls, link, clock } = this.#options
    const askByTls = async (addresses: readonly Address[], dialSignal: AbortSignal) => {
      const line = await dialServer({ addresses, key: undefined, clock, signal: dialSignal })
      await line.close()
      return line.key
    }
    const known = key === undefined ? await pinnedServer(state, place) : { ...place, key }
    if (known !== undefined) return known
    while (!signal.aborted) {
      try {
        const learned = await learnServer(place, { signals: link.signals, clock, tls, askByTls, signal })
        await pinServer(state, learned)
        this.#problem = undefined
        return learned
      } catch (error) {
        if (!isHomewardError(error)) throw error
        if (signal.aborted) return undefined
        this.#problem = error
        this.#tell(error)
        await sleep(clock, LEARN_RETRY_MS, signal)
      }
    }
    return undefined
  }

  #look({ host, port }: ServerPlace): void {
    const { link, log } = this.#options
    const registration = link.status().registration
    if (registration?.state === 'waiting') this.#tell(registration.error)
    else if (registration?.state === 'registered' && this.#changes.differs('registered')) {
      log.info({ server: { host, port }, observed: registration.observed }, 'registered at the P2P server')
    }
  }

  #tell(problem: HomewardError): void {
    const line = errorLine(problem)
    if (this.#changes.differs(line)) this.#options.log.warn({ code: problem.code }, line)
  }
}
