/**
 * Tells another program of alerts as they come and go: one POST of JSON for each, signed when there is a secret, again with
 * growing pauses until it is taken. STATE/webhook.json, mode 0600.
 */
import { createHmac } from 'node:crypto'
import { join } from 'node:path'
import { asFields, type Fields, readState, stateDamaged, writeState } from '../../link/state-json.ts'
import { type Clock, sleep } from '../../platform/clock.ts'
import { HomewardError } from '../../wire/errors.ts'
import type { Alert, Webhook as WebhookAnswer, WebhookResult } from './api.ts'

const FILE = 'webhook.json'
const FORMAT = 'homeward-webhook-1'
export const SIGNATURE_HEADER = 'x-homeward-signature'
const TIMEOUT_MS = 10_000
const PAUSES_MS = [1_000, 5_000, 30_000, 120_000, 600_000] as const
/** What could not be told for this long is old news. */
const GIVE_UP_MS = 24 * 3_600_000
/** The oldest go first: what is the matter now is on the page anyway. */
const WAITING_MAX = 100

interface Settings {
  readonly url: string | null
  readonly secret: string | null
}

export interface Notice {
  readonly event: 'raised' | 'cleared' | 'test'
  readonly alert: Alert | null
}

interface Waiting {
  readonly body: string
  readonly sinceUs: number
}

export interface WebhookOptions {
  readonly stateDir: string
  /** UID of this device. */
  readonly device: string
  readonly clock: Clock
  readonly send?: typeof fetch
}

export class Webhook {
  readonly #options: WebhookOptions
  readonly #path: string
  readonly #closing = new AbortController()
  #settings: Settings = { url: null, secret: null }
  #last: WebhookAnswer['last'] = null
  #waiting: Waiting[] = []
  #sending: Promise<void> | undefined

  private constructor(options: WebhookOptions) {
    this.#options = options
    this.#path = join(options.stateDir, FILE)
  }

  /** Throws STATE_DAMAGED. */
  static async open(options: WebhookOptions): Promise<Webhook> {
    const webhook = new Webhook(options)
    const fields = await readState(webhook.#path, FORMAT)
    if (fields !== undefined) webhook.#settings = settingsOf(fields, webhook.#path)
    return webhook
  }

  get answer(): WebhookAnswer {
    const { url, secret } = this.#settings
    return { url, signed: secret !== null, last: this.#last }
  }

  /** `secret` undefined: as it is. Throws USAGE. */
  async set(url: string | null, secret: string | null | undefined): Promise<void> {
    if (url !== null && !isHttp(url)) {
      throw new HomewardError('USAGE', `url: ${JSON.stringify(url)} is not valid, expected http:// or https://`)
    }
    const settings = { url, secret: secret === undefined ? this.#settings.secret : secret }
    await writeState(this.#path, FORMAT, settings)
    this.#settings = settings
    this.#last = null
    this.#waiting = []
  }

  tell(notices: readonly Notice[]): void {
    if (this.#settings.url === null || this.#closing.signal.aborted) return
    const sinceUs = this.#options.clock.monoUs()
    this.#waiting.push(...notices.map((notice) => ({ body: this.#bodyOf(notice), sinceUs })))
    this.#waiting.splice(0, this.#waiting.length - WAITING_MAX)
    this.#sending ??= this.#run().finally(() => {
      this.#sending = undefined
    })
  }

  /** Once, now. Throws USAGE when there is no address. */
  async test(): Promise<WebhookResult> {
    if (this.#settings.url === null) throw new HomewardError('USAGE', 'no address is set', { hint: 'Set one first.' })
    return this.#post(this.#bodyOf({ event: 'test', alert: null }))
  }

  /** Idempotent. What was not taken yet is given up. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#sending
  }

  #bodyOf(notice: Notice): string {
    const { device, clock } = this.#options
    return JSON.stringify({ ...notice, device, atMs: Math.round(clock.wallUs() / 1000) })
  }

  async #run(): Promise<void> {
    const { clock } = this.#options
    const { signal } = this.#closing
    let failures = 0
    for (;;) {
      const next = this.#waiting[0]
      if (next === undefined || signal.aborted) return
      const isOld = clock.monoUs() - next.sinceUs > GIVE_UP_MS * 1000
      if (isOld || (await this.#post(next.body)).ok) {
        // The settings may have changed meanwhile, and with them what waits.
        if (this.#waiting[0] === next) this.#waiting.shift()
        failures = 0
        continue
      }
      await sleep(clock, PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)] ?? 0, signal)
      failures += 1
    }
  }

  async #post(body: string): Promise<WebhookResult> {
    const { send = fetch, clock } = this.#options
    const { url, secret } = this.#settings
    if (url === null) return { ok: false, detail: 'no address is set' }
    const signature =
      secret === null ? {} : { [SIGNATURE_HEADER]: `sha256=${createHmac('sha256', secret).update(body).digest('hex')}` }
    let result: WebhookResult
    try {
      const response = await send(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'user-agent': 'homeward', ...signature },
        body,
        redirect: 'manual',
        signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(TIMEOUT_MS)]),
      })
      await response.body?.cancel()
      result = { ok: response.ok, detail: `HTTP status ${response.status}` }
    } catch (error) {
      result = { ok: false, detail: detailOf(error) }
    }
    this.#last = { atMs: Math.round(clock.wallUs() / 1000), ...result }
    return result
  }
}

/** What fetch wraps is what happened. */
function detailOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return `no answer within ${TIMEOUT_MS / 1000} s`
  return error.cause instanceof Error ? error.cause.message : error.message
}

function isHttp(text: string): boolean {
  try {
    return ['http:', 'https:'].includes(new URL(text).protocol)
  } catch {
    return false
  }
}

function settingsOf(fields: Fields, path: string): Settings {
  const { url, secret } = asFields(fields) ?? {}
  const fits =
    (url === null || (typeof url === 'string' && isHttp(url))) && (secret === null || typeof secret === 'string')
  if (!fits) throw stateDamaged(path, 'its fields have wrong values')
  return { url: url ?? null, secret: secret ?? null }
}
