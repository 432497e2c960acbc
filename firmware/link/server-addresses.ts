/** Where a P2P server is just now: its name as addresses. */
import { lookup } from 'node:dns/promises'
import { type Clock, sleep } from '../platform/clock.ts'
import { HomewardError } from '../wire/errors.ts'
import { type Address, canonicalAddress } from './address.ts'
import type { SetupServer } from './setup-code.ts'

/** IP literals of a host name; an IP literal is its own. Rejects when there are none. */
export type ResolveHost = (host: string) => Promise<readonly string[]>

/** The system's resolver with its hosts file, for a name at home is not always in the DNS. */
export const resolveWithSystem: ResolveHost = async (host) =>
  (await lookup(host, { all: true })).map(({ address }) => address)

/** glibc gives a dead name server 5 s and asks twice. */
export const RESOLVE_TIMEOUT_MS = 10_000

/** All addresses of a server are asked at once; more than these would be a burst. */
const MAX_SERVER_ADDRESSES = 8

/** How far above its UDP port a server's TLS port is, unless it says another: 7440 and 7443. */
export const TLS_PORT_STEP = 3

type TlsPlace = Pick<SetupServer, 'host' | 'port'>

export interface ServerAddressesOptions {
  readonly resolve?: ResolveHost | undefined
  /** Where it is reached by TLS, when that is not the same host and its own word. */
  readonly tls?: TlsPlace | undefined
}

export class ServerAddresses {
  readonly server: SetupServer
  readonly #clock: Clock
  readonly #resolve: ResolveHost
  /** One question at a time: the system's resolver occupies a thread of Node's pool while it waits. */
  #asking: Promise<readonly Address[]> | undefined
  #last: readonly Address[] = []
  readonly #tlsPlace: TlsPlace | undefined
  #tlsPort: number
  #tlsHost: ServerAddresses | undefined

  constructor(server: SetupServer, clock: Clock, { resolve = resolveWithSystem, tls }: ServerAddressesOptions = {}) {
    this.server = server
    this.#clock = clock
    this.#resolve = resolve
    this.#tlsPlace = tls
    this.#tlsPort = server.port + TLS_PORT_STEP
  }

  /** Another server with the same key, as this one has named it. */
  other({
    host,
    port,
    tls,
  }: {
    readonly host: string
    readonly port: number
    readonly tls?: number | undefined
  }): ServerAddresses {
    const other = new ServerAddresses({ host, port, key: this.server.key }, this.#clock, { resolve: this.#resolve })
    if (tls !== undefined) other.learnTlsPort(tls)
    return other
  }

  /** `host:port`, for messages. */
  get name(): string {
    return `${this.server.host}:${this.server.port}`
  }

  /**
   * Asks each time, for a server may move; while its name cannot be resolved, the addresses last known serve. Throws
   * SERVER_UNREACHABLE when there are none, CANCELLED when `signal` aborts.
   */
  async current(signal: AbortSignal): Promise<readonly Address[]> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    const over = new AbortController()
    const stop = () => over.abort()
    signal.addEventListener('abort', stop, { once: true })
    try {
      this.#last = await Promise.race([this.#asking, this.#timeout(signal, over.signal)])
    } catch (cause) {
      if (signal.aborted) throw new HomewardError('CANCELLED', `the look-up of "${this.server.host}" was cancelled`)
      if (this.#last.length === 0) throw unresolved(this.server.host, cause)
    } finally {
      signal.removeEventListener('abort', stop)
      over.abort()
    }
    return this.#last
  }

  /** The server itself said where it listens for TLS; what was set by hand goes before it. */
  learnTlsPort(port: number): void {
    this.#tlsPort = port
  }

  /** Where it is reached by TLS. Throws as {@link current}. */
  async currentTls(signal: AbortSignal): Promise<readonly Address[]> {
    if (this.#tlsPlace !== undefined && this.#tlsPlace.host !== this.server.host) {
      this.#tlsHost ??= new ServerAddresses({ ...this.#tlsPlace, key: this.server.key }, this.#clock, {
        resolve: this.#resolve,
      })
      return this.#tlsHost.current(signal)
    }
    return this.#onPort(this.#tlsPlace?.port ?? this.#tlsPort, signal)
  }

  /** Its second UDP port, which has the number of its own TLS port. Throws as {@link current}. */
  currentSecond(signal: AbortSignal): Promise<readonly Address[]> {
    return this.#onPort(this.#tlsPort, signal)
  }

  /** Where the very server at `address`, which may be one of several of this name, is reached by TLS. Throws as {@link current}. */
  async currentTlsAt({ host }: Address, signal: AbortSignal): Promise<Address | undefined> {
    if (this.#tlsPlace === undefined) return canonicalAddress(host, this.#tlsPort)
    const addresses = await this.currentTls(signal)
    return addresses.find((one) => one.host === host) ?? addresses[0]
  }

  async #onPort(port: number, signal: AbortSignal): Promise<readonly Address[]> {
    const addresses = await this.current(signal)
    return addresses.flatMap(({ host }) => canonicalAddress(host, port) ?? [])
  }

  async #ask(): Promise<readonly Address[]> {
    const hosts = await this.#resolve(this.server.host)
    const addresses = hosts.flatMap((host) => canonicalAddress(host, this.server.port) ?? [])
    if (addresses.length === 0) throw new Error('the name has no address')
    return addresses.slice(0, MAX_SERVER_ADDRESSES)
  }

  async #timeout(signal: AbortSignal, over: AbortSignal): Promise<never> {
    if (!signal.aborted) await sleep(this.#clock, RESOLVE_TIMEOUT_MS, over)
    throw new Error(`no answer from the resolver within ${RESOLVE_TIMEOUT_MS / 1000} s`)
  }
}

function unresolved(host: string, cause: unknown): HomewardError {
  return new HomewardError('SERVER_UNREACHABLE', `no address is known for the P2P server "${host}"`, {
    hint: 'Check the name, and that this device reaches a DNS server.',
    cause,
  })
}
