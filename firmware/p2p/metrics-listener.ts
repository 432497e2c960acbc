/** Metrics over HTTP: GET /metrics, and nothing else. No password and no TLS: for this machine, or a network of one's own. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { HomewardError, systemCode } from '../wire/errors.ts'

const PATH = '/metrics'
/** One Prometheus or two, and a person who looks. */
const MAX_CONNECTIONS = 16
const REQUEST_WITHIN_MS = 5_000

export interface Metrics {
  readonly contentType: string
  text(): Promise<string>
}

export class MetricsListener {
  readonly #server: Server
  readonly #metrics: Metrics

  private constructor(metrics: Metrics) {
    this.#metrics = metrics
    this.#server = createServer({ requestTimeout: REQUEST_WITHIN_MS }, (request, response) => {
      void this.#answer(request, response)
    })
    this.#server.maxConnections = MAX_CONNECTIONS
  }

  /** Throws ADDRESS_IN_USE or CONFIG_INVALID. */
  static async listen(listen: { readonly host: string; readonly port: number }, metrics: Metrics) {
    const listener = new MetricsListener(metrics)
    await new Promise<void>((resolve, reject) => {
      listener.#server.once('error', (cause) => reject(cannotListen(listen, cause)))
      listener.#server.listen(listen, resolve)
    })
    // Running out of descriptors drops the newest connection, not the server.
    listener.#server.on('error', () => {})
    return listener
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Idempotent. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  async #answer({ method, url }: IncomingMessage, response: ServerResponse): Promise<void> {
    const say = (status: number, text: string, type = 'text/plain; charset=utf-8') => {
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' })
      response.end(method === 'HEAD' ? undefined : text)
    }
    if (url?.split('?')[0] !== PATH) return say(404, `There is only ${PATH} here.\n`)
    if (method !== 'GET' && method !== 'HEAD') return say(405, 'Only GET.\n')
    try {
      say(200, await this.#metrics.text(), this.#metrics.contentType)
    } catch (error) {
      say(500, `The metrics could not be read: ${error instanceof Error ? error.message : String(error)}\n`)
    }
  }
}

function cannotListen({ host, port }: { readonly host: string; readonly port: number }, cause: unknown) {
  const where = `${host}, TCP port ${port}`
  if (systemCode(cause) === 'EADDRINUSE') {
    return new HomewardError('ADDRESS_IN_USE', `${where} is taken by another program`, {
      hint: 'Choose another port for --metrics, or stop the other program.',
      cause,
    })
  }
  return new HomewardError('CONFIG_INVALID', `cannot listen on ${where}`, {
    hint: 'The address of --metrics must be one of this machine.',
    cause,
  })
}
