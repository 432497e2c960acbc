/**
 * The shared store in Redis. One key for each device, whose value is the id of the server that holds it; one for each
 * look-up key, with how that server is reached. All of them end by themselves, so a server that dies is forgotten with its
 * devices' registrations.
 *
 *   homeward:server-key   public key of all servers that share this registry, in hex
 *   homeward:uid:UID      id of the server
 *   homeward:at:KEY       JSON {id, host, port, tls}
 *   homeward:moved        channel: "ID UID", the device has registered at that server
 *
 * One Redis, or one behind a Sentinel: the scripts use keys of several slots, which a cluster refuses.
 */
import { Redis } from 'ioredis'
import * as v from 'valibot'
import type { Clock, Timer } from '../../platform/clock.ts'
import { HomewardError } from '../../wire/errors.ts'
import type { ServerName, SharingState } from './registry.ts'
import type { SharedStore } from './shared-store.ts'

/** Look-ups wait for it; a Redis in the same building answers within a millisecond. */
const COMMAND_WITHIN_MS = 500
const CONNECT_WITHIN_MS = 2_000
/** A connection on which nothing comes for so long is given up: Redis is asked at least every PROBE_EVERY_MS. */
const SILENT_MS = 5_000
const PROBE_EVERY_MS = 1_000
const RECONNECT_LONGEST_MS = 2_000
/** The key of the servers is forgotten when none of them was there for so long. */
const SERVER_KEY_TTL_MS = 300_000
/** A server waits so long for the first answer before it goes on without. */
const FIRST_ANSWER_WITHIN_MS = 3_000

const END_WITHIN_MS = 500

const SERVER_KEY = 'homeward:server-key'
const MOVED = 'homeward:moved'
const uidKey = (uid: string) => `homeward:uid:${uid}`
const atKey = (key: string) => `homeward:at:${key}`

/** KEYS: server key. ARGV: own key, time to live. */
const PROBE = `
redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
local key = redis.call('GET', KEYS[1])
if key == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return key`
/** KEYS: uid, then look-up keys. ARGV: own id, own place, time to live. */
const RENEW = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
for index = 2, #KEYS do redis.call('SET', KEYS[index], ARGV[2], 'PX', ARGV[3]) end
return 1`
/** KEYS: uid, then look-up keys. ARGV: own id. */
const RELEASE = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', unpack(KEYS)) end
return 1`

const Place = v.object({
  id: v.string(),
  host: v.pipe(v.string(), v.regex(/^[0-9A-Za-z.:_-]{1,253}$/)),
  port: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)),
  tls: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535))),
})

export interface RedisStoreOptions {
  readonly url: string
  /** This server, as devices reach it. */
  readonly self: ServerName
  /** In hex; all servers that share a registry have the same. */
  readonly serverKey: string
  /** How long a registration lasts without a word from its device. */
  readonly ttlMs: number
  readonly clock: Clock
}

export class RedisStore implements SharedStore {
  readonly #options: RedisStoreOptions
  readonly #redis: Redis
  /** A connection that listens can do nothing else. */
  readonly #listening: Redis
  readonly #id: string
  readonly #place: string
  readonly #stateListeners: ((state: SharingState, why: string) => void)[] = []
  readonly #movedListeners: ((uid: string) => void)[] = []
  #state: SharingState = 'contacting'
  /** What a broken connection said last. */
  #why = 'no answer yet'
  #probe: Timer | undefined
  #closing: Promise<void> | undefined

  constructor(options: RedisStoreOptions) {
    const { url, self } = options
    this.#options = options
    this.#id = `${self.host}:${self.port}`
    this.#place = JSON.stringify({ id: this.#id, ...self })
    const common = {
      lazyConnect: true,
      connectTimeout: CONNECT_WITHIN_MS,
      retryStrategy: (times: number) => Math.min(RECONNECT_LONGEST_MS, 100 * 2 ** Math.min(times, 8)),
      // What cannot be said now is of no use later.
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      protocol: 2,
      disableClientInfo: true,
      enableReadyCheck: false,
    } as const
    this.#redis = new Redis(url, {
      ...common,
      enableOfflineQueue: false,
      commandTimeout: COMMAND_WITHIN_MS,
      socketTimeout: SILENT_MS,
    })
    this.#listening = new Redis(url, common)
  }

  get state(): SharingState {
    return this.#state
  }

  onState(listener: (state: SharingState, why: string) => void): void {
    this.#stateListeners.push(listener)
  }

  onMoved(listener: (uid: string) => void): void {
    this.#movedListeners.push(listener)
  }

  async start(): Promise<void> {
    const { clock } = this.#options
    for (const redis of [this.#redis, this.#listening]) {
      redis.on('error', (error: Error) => {
        this.#why = describe(error)
      })
    }
    this.#redis.on('ready', () => this.#probeNow())
    this.#redis.on('close', () => this.#become('down', this.#why))
    // It subscribes again by itself after the connection was lost.
    this.#listening.on('message', (_channel: string, message: string) => this.#hear(message))
    this.#listening.subscribe(MOVED).catch(() => {})
    const known = new Promise<void>((resolve) => {
      this.#stateListeners.push(() => resolve())
      const late = clock.after(FIRST_ANSWER_WITHIN_MS, () => resolve())
      this.#stateListeners.push(() => late.cancel())
    })
    this.#redis.connect().catch(() => {})
    await known
  }

  async claim(uid: string, keys: readonly string[], gone: readonly string[]): Promise<void> {
    const { ttlMs } = this.#options
    await this.#ask(async (redis) => {
      const all = redis.multi().set(uidKey(uid), this.#id, 'PX', ttlMs)
      for (const key of keys) all.set(atKey(key), this.#place, 'PX', ttlMs)
      if (gone.length > 0) all.del(...gone.map(atKey))
      const results = await all.publish(MOVED, `${this.#id} ${uid}`).exec()
      const failed = results?.find(([error]) => error !== null)?.[0]
      if (failed != null) throw failed
    })
  }

  async renew(uid: string, keys: readonly string[]): Promise<boolean> {
    const all = [uidKey(uid), ...keys.map(atKey)]
    const args = [this.#id, this.#place, this.#options.ttlMs]
    return (await this.#ask((redis) => redis.eval(RENEW, all.length, ...all, ...args))) === 1
  }

  async release(uid: string, keys: readonly string[]): Promise<void> {
    const all = [uidKey(uid), ...keys.map(atKey)]
    await this.#ask((redis) => redis.eval(RELEASE, all.length, ...all, this.#id))
  }

  async find(key: string): Promise<ServerName | undefined> {
    const text = await this.#ask((redis) => redis.get(atKey(key)))
    const place = text === null ? undefined : readPlace(text)
    if (place === undefined || place.id === this.#id) return undefined
    return { host: place.host, port: place.port, tls: place.tls }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#probe?.cancel()
    await Promise.all([this.#redis, this.#listening].map((redis) => this.#end(redis)))
  }

  #end(redis: Redis): Promise<void> {
    return new Promise((resolve) => {
      // One that was just connecting ends without a word.
      const late = this.#options.clock.after(END_WITHIN_MS, resolve)
      redis.once('end', () => {
        late.cancel()
        resolve()
      })
      redis.disconnect()
      if (redis.status !== 'end' && redis.status !== 'wait') return
      late.cancel()
      resolve()
    })
  }

  async #ask<T>(command: (redis: Redis) => Promise<T>): Promise<T> {
    if (this.#state !== 'up') throw this.#unreachable(this.#why)
    try {
      return await command(this.#redis)
    } catch (error) {
      this.#stumble(error)
      throw this.#unreachable(describe(error))
    }
  }

  /** Nothing else is asked until a probe is answered. */
  #stumble(error: unknown): void {
    this.#why = describe(error)
    this.#become(this.#redis.status === 'ready' ? 'failing' : 'down', this.#why)
    this.#probeSoon()
  }

  #probeSoon(): void {
    if (this.#closing !== undefined) return
    this.#probe?.cancel()
    this.#probe = this.#options.clock.after(PROBE_EVERY_MS, () => this.#probeNow())
  }

  #probeNow(): void {
    if (this.#redis.status !== 'ready') return
    const { serverKey } = this.#options
    void this.#redis.eval(PROBE, 1, SERVER_KEY, serverKey, SERVER_KEY_TTL_MS).then(
      (key) => {
        if (key === serverKey) this.#become('up', '')
        else this.#become('foreign', `its servers have another key (${SERVER_KEY} is ${String(key).slice(0, 64)})`)
        this.#probeSoon()
      },
      (error: unknown) => this.#stumble(error),
    )
  }

  #become(state: SharingState, why: string): void {
    if (this.#closing !== undefined || state === this.#state) return
    this.#state = state
    for (const listener of [...this.#stateListeners]) listener(state, why)
  }

  #hear(message: string): void {
    const [id, uid] = message.split(' ')
    if (id === this.#id || uid === undefined || !/^[0-9a-f]{64}$/.test(uid)) return
    for (const listener of [...this.#movedListeners]) listener(uid)
  }

  #unreachable(why: string): HomewardError {
    return new HomewardError('SERVER_UNREACHABLE', `the shared registry does not answer: ${why}`)
  }
}

function readPlace(text: string): v.InferOutput<typeof Place> | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  const result = v.safeParse(Place, value)
  return result.success ? result.output : undefined
}

const describe = (error: unknown) => (error instanceof Error && error.message !== '' ? error.message : String(error))
