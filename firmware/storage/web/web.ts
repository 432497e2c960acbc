/** The page and the API of a storage agent: its accounts, its look-out for trouble, and the server that is asked. */
import { type AddressInfo, isIPv6 } from 'node:net'
import type { networkInterfaces } from 'node:os'
import { loadCertificate } from '../../link/certificate.ts'
import { formatUid } from '../../link/uid.ts'
import { type Clock, sleep } from '../../platform/clock.ts'
import { errorLine, type HomewardError, isHomewardError } from '../../wire/errors.ts'
import type { StorageAgent } from '../agent.ts'
import { readBackupMark } from '../backup-mark.ts'
import { PAGE_FOLDER } from '../page-folder.ts'
import { Accounts } from './accounts.ts'
import { authHandlers } from './auth-handlers.ts'
import { Backlogs } from './backlogs.ts'
import { Backoff } from './backoff.ts'
import { cameraHandlers } from './camera-handlers.ts'
import { deviceHandlers, pairingsOf } from './device-handlers.ts'
import { Events } from './events.ts'
import { Gate } from './gate.ts'
import { Guard } from './guard.ts'
import type { Handlers } from './handlers.ts'
import { LivePlaylists } from './live.ts'
import { lookAt } from './look.ts'
import { Metrics } from './metrics.ts'
import { Monitor } from './monitor.ts'
import { type PasswordCost, PasswordHasher } from './passwords.ts'
import { retentionHandlers } from './retention-handlers.ts'
import { WebServer, type WebServerOptions } from './server.ts'
import { Webhook } from './webhook.ts'

/** A port that another program has may come free; the footage does not wait for it. */
const RETRY_MS = 10_000

export interface WebSettings {
  readonly host: string
  readonly port: number
  /** HTTPS: with a key made at the first start, or the files given. */
  readonly tls: boolean
  readonly certificate?: { readonly cert: string; readonly key: string } | undefined
  /** Names of this device besides its addresses and local names. */
  readonly names: readonly string[]
  readonly pageFolder?: string
  readonly cost?: PasswordCost
  readonly limits?: WebServerOptions['limits']
}

export class Web {
  readonly accounts: Accounts
  readonly #agent: StorageAgent
  readonly #settings: WebSettings
  readonly #monitor: Monitor
  readonly #events: Events
  readonly #webhook: Webhook
  readonly #serverOptions: WebServerOptions
  readonly #closing = new AbortController()
  #server: WebServer | undefined
  #keyBackupUs: number | undefined
  #starting: Promise<void> = Promise.resolve()

  /** Throws STATE_DAMAGED, CONFIG_INVALID; a port that is taken is tried again, and told in the log. */
  static async start(agent: StorageAgent, settings: WebSettings): Promise<Web> {
    const { clock, stateDir } = agent
    const [accounts, webhook, certificate, keyBackupUs] = await Promise.all([
      Accounts.open(stateDir, clock, new PasswordHasher(settings.cost)),
      Webhook.open({ stateDir, device: agent.identity.uid, clock }),
      settings.tls ? loadCertificate(stateDir, settings.certificate) : undefined,
      readBackupMark(stateDir, agent.identity.uid),
    ])
    const web = new Web(agent, settings, { accounts, webhook, certificate, keyBackupUs })
    await web.#listen()
    return web
  }

  private constructor(agent: StorageAgent, settings: WebSettings, parts: Parts) {
    const { clock, traffic } = agent
    const { accounts, webhook, certificate, keyBackupUs } = parts
    const { tls, names } = settings
    this.accounts = accounts
    this.#agent = agent
    this.#settings = settings
    this.#webhook = webhook
    this.#keyBackupUs = keyBackupUs
    const backlogs = new Backlogs(clock)
    const started = { startedUs: clock.monoUs(), startedWallUs: clock.wallUs() }
    const onFault = (error: unknown) => agent.log.error({ err: error }, 'the page met a fault')
    this.#monitor = new Monitor({
      ...{ agent, clock, backlogs, onFault },
      look: () => lookAt({ agent, traffic, backlogs, ...started, keyBackupUs: () => this.#keyBackupUs }),
      pairings: () => pairingsOf(agent),
      onAlerts: (notices) => webhook.tell(notices),
    })
    const monitor = this.#monitor
    this.#events = new Events({ monitor, traffic, clock })
    const gate = new Gate({ accounts, tls, names })
    const guard = new Guard(gate, new Backoff(clock))
    const metrics = new Metrics({
      look: () => monitor.look(),
      alerts: () => monitor.alerts,
      received: (id) => receivedBy(agent, id),
      connections: () => this.connections,
    })
    const handlers: Handlers = {
      ...authHandlers({ accounts, gate, guard, tls }),
      ...deviceHandlers({
        ...{ agent, accounts, monitor, events: this.#events, metrics, webhook, guard },
        backedUp: (atUs) => {
          this.#keyBackupUs = atUs
        },
      }),
      ...cameraHandlers({ agent, monitor, live: new LivePlaylists() }),
      ...retentionHandlers({ agent, monitor }),
    }
    const { pageFolder = PAGE_FOLDER, limits } = settings
    const options = { clock, handlers, gate, certificate, pageFolder, onFault }
    this.#serverOptions = limits === undefined ? options : { ...options, limits }
  }

  /** Undefined while its port is taken. */
  get address(): AddressInfo | undefined {
    return this.#server?.address
  }

  /** Open now, and refused since the start. */
  get connections(): { readonly open: number; readonly refused: number } {
    return this.#server?.connections ?? { open: 0, refused: 0 }
  }

  /** Where browsers in the same network find the page. */
  urls(interfaces: ReturnType<typeof networkInterfaces>): string[] {
    const { address } = this
    if (address === undefined) return []
    const scheme = this.#settings.tls ? 'https' : 'http'
    const anywhere = address.address === '0.0.0.0' || address.address === '::'
    const hosts = anywhere
      ? Object.values(interfaces).flatMap((list = []) =>
          list.flatMap(({ internal, family, address: host }) => (internal || family !== 'IPv4' ? [] : [host])),
        )
      : [address.address]
    return hosts.map((host) => `${scheme}://${isIPv6(host) ? `[${host}]` : host}:${address.port}/`)
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#starting
    this.#events.close()
    await this.#server?.close()
    await this.#monitor.close()
    await this.#webhook.close()
    await this.accounts.close()
  }

  async #listen(): Promise<void> {
    const { host, port } = this.#settings
    this.#monitor.start()
    try {
      this.#server = await WebServer.start(this.#serverOptions, host, port)
      this.#told()
    } catch (error) {
      if (!isHomewardError(error, 'ADDRESS_IN_USE')) {
        await this.close()
        throw error
      }
      this.#starting = this.#retry(this.#agent.clock, error)
    }
  }

  async #retry(clock: Clock, problem: HomewardError): Promise<void> {
    const { host, port } = this.#settings
    const { log } = this.#agent
    log.warn({ code: problem.code }, `the page is not served: ${errorLine(problem)} It is tried again.`)
    while (!this.#closing.signal.aborted) {
      await sleep(clock, RETRY_MS, this.#closing.signal)
      if (this.#closing.signal.aborted) return
      try {
        this.#server = await WebServer.start(this.#serverOptions, host, port)
        this.#told()
        return
      } catch (error) {
        if (isHomewardError(error, 'ADDRESS_IN_USE')) continue
        log.error({ err: error }, 'the page is not served')
        return
      }
    }
  }

  #told(): void {
    const { log } = this.#agent
    const { address } = this
    log.info({ address: address?.address, port: address?.port, tls: this.#settings.tls }, 'the page is served')
    if (!this.accounts.claimed) log.info('the page has no owner yet: `homeward storage claim` prints a code for it')
  }
}

interface Parts {
  readonly accounts: Accounts
  readonly webhook: Webhook
  readonly certificate: WebServerOptions['certificate']
  readonly keyBackupUs: number | undefined
}

function receivedBy({ cameras, intake }: StorageAgent, id: string) {
  const key = cameras.all().find((camera) => formatUid(camera.key) === id)?.key
  return intake.statusOf(key ?? new Uint8Array(32)).received
}
