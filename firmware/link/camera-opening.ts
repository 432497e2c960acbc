/**
 * One opening of a channel, the camera's end: a byte stream, a handshake, and then the channel they become. On a LAN over
 * TCP where the storage device accepts it, over udx otherwise; through a hole in the NATs over udx; at a relay as it is.
 */
import type { Duplex } from 'node:stream'
import type { RawStream } from '@hyperswarm/secret-stream'
import { type Clock, sleep } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { toHex } from '../wire/bytes.ts'
import { HomewardError, isHomewardError } from '../wire/errors.ts'
import type { Address } from './address.ts'
import type { ChannelCloseReason } from './channel.ts'
import { type Datagram, NO_RELAY, type Open, type Opened, RELAY_KEY_BYTES } from './datagram-body.ts'
import { readFrame, writeFrame } from './first-frame.ts'
import type { Identity } from './identity.ts'
import type { Way } from './link-state.ts'
import { NoiseInitiator } from './noise.ts'
import { NoiseChannel } from './noise-channel.ts'
import type { Peer } from './peer.ts'
import type { CameraHelp } from './server-help.ts'
import { dialTcp } from './tcp.ts'
import type { UdxPort } from './udx-port.ts'

/** `open` is sent again in case it or its answer got lost; the storage device answers each the same way. */
const ASK_SCHEDULE_MS = [0, 100, 300, 700, 1500] as const
/** Through the server it takes longer, and the server counts. */
const CARRY_SCHEDULE_MS = [0, 300, 800, 1600, 3000] as const
/**
 * An accepted connection is answered within a round trip and the storage device's part of a handshake, which takes a small
 * processor half a second the first time; udx must still have its time. A relayed one takes two round trips.
 */
const ANSWER_WITHIN_MS = 1_200
const RELAY_ANSWER_WITHIN_MS = 3_000

export interface CameraOpeningOptions {
  /** The connect machine's number for it. */
  readonly number: number
  readonly way: Way
  readonly identity: Identity
  readonly peer: Peer
  readonly port: UdxPort
  /** To be used in its place, for a direct way only. The opening owns it. */
  readonly socket?: UdxPort
  readonly server: CameraHelp | undefined
  readonly clock: Clock
  readonly random: Random
  /** The channel carries bytes. */
  readonly ready: () => void
  readonly closed: (reason: ChannelCloseReason) => void
}

interface Made {
  readonly bytes: RawStream
  readonly opened: Opened
}

export class CameraOpening {
  readonly number: number
  readonly #options: CameraOpeningOptions
  #attempt = ''
  #noise: NoiseInitiator
  readonly #cancel = new AbortController()
  readonly #running: Promise<void>
  #answered: ((message: Opened) => void) | undefined
  #channel: NoiseChannel | undefined

  constructor(options: CameraOpeningOptions) {
    this.#options = options
    this.number = options.number
    this.#noise = this.#renew()
    this.#running = this.#run()
  }

  /** 16 hex digits: names it to the storage device. */
  get attempt(): string {
    return this.#attempt
  }

  get channel(): NoiseChannel | undefined {
    return this.#channel
  }

  /** An answer that came by UDP or through the server. Only the first one for this opening counts. */
  answer(message: Opened): void {
    if (message.attempt === this.#attempt) this.#answered?.(message)
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#cancel.abort()
    await this.#running
    await this.#channel?.close()
    await this.#options.socket?.close()
  }

  async #run(): Promise<void> {
    const { way, clock, ready, closed } = this.#options
    const made = await this.#make(way).catch((error: unknown) => {
      if (isHomewardError(error)) return undefined
      throw error
    })
    const keys = made === undefined ? undefined : this.#noise.finish(made.opened.noise)
    if (this.#cancel.signal.aborted || made === undefined || keys === undefined) {
      made?.bytes.destroy()
      if (!this.#cancel.signal.aborted) closed(made === undefined ? 'silent' : 'malformed')
      return
    }
    const channel = new NoiseChannel({ path: way.path, bytes: made.bytes, initiator: true, keys, clock })
    this.#channel = channel
    channel.onReady(ready)
    channel.onClose(closed)
  }

  async #make(way: Way): Promise<Made | undefined> {
    switch (way.path) {
      case 'lan':
        return (await this.#byTcp(way.to)) ?? this.#byUdp(way.to)
      case 'punched':
        return this.#byUdp(way.to)
      case 'relay-udp':
        return this.#byRelayUdp()
      case 'relay-tls':
        return this.#byRelayTls()
    }
  }

  async #byTcp(to: Address): Promise<Made | undefined> {
    const socket = await dialTcp(to, this.#options.clock, this.#cancel.signal)
    if (socket === undefined) return undefined
    const made = await this.#onStream(socket, ANSWER_WITHIN_MS)
    // It may accept and still not be the one that answered the probe: udx may get through all the same, with a handshake
    // of its own, for one never serves two streams.
    if (made === undefined) this.#renew()
    return made
  }

  #renew(): NoiseInitiator {
    const { identity, peer, random } = this.#options
    this.#attempt = toHex(random.bytes(8))
    this.#noise = new NoiseInitiator(identity, peer.remote)
    return this.#noise
  }

  async #byUdp(to: Address): Promise<Made | undefined> {
    const { peer, port: main, socket: port = main } = this.#options
    const stream = port.openStream()
    const ask = () => port.send(peer.seal(this.#request(stream.id)), to)
    const opened = await this.#ask(ask, ASK_SCHEDULE_MS)
    if (opened === undefined) {
      stream.bytes.destroy()
      return undefined
    }
    stream.connect(opened.stream, to)
    return { bytes: stream.bytes, opened }
  }

  async #byRelayUdp(): Promise<Made | undefined> {
    const { port, peer, server, random } = this.#options
    if (server === undefined) return undefined
    const key = random.bytes(RELAY_KEY_BYTES)
    const stream = port.openStream()
    const ask = () => server.carry(peer.seal(this.#request(stream.id, key)), 'pair')
    try {
      const [opened, leg] = await Promise.all([
        this.#ask(ask, CARRY_SCHEDULE_MS),
        server.relayUdp(key, stream.id, this.#cancel.signal),
      ])
      if (opened === undefined)
        throw new HomewardError('TIMED_OUT', 'the storage device did not answer through the server')
      stream.connect(leg.stream, leg.to)
      return { bytes: stream.bytes, opened }
    } catch (error) {
      stream.bytes.destroy()
      throw error
    }
  }

  async #byRelayTls(): Promise<Made | undefined> {
    const { peer, server, random } = this.#options
    if (server === undefined) return undefined
    const key = random.bytes(RELAY_KEY_BYTES)
    const joined = new AbortController()
    const signal = AbortSignal.any([this.#cancel.signal, joined.signal])
    const call = () => server.carry(peer.seal({ type: 'relay-call', attempt: this.#attempt, relay: key }), 'pair')
    void this.#repeat(call, CARRY_SCHEDULE_MS, signal)
    try {
      const stream = await server.relayTls(key, this.#cancel.signal)
      return await this.#onStream(stream, RELAY_ANSWER_WITHIN_MS)
    } finally {
      joined.abort()
    }
  }

  /** Asks on the very stream that the channel is to be made of. */
  async #onStream(stream: Duplex & RawStream, withinMs: number): Promise<Made | undefined> {
    const { peer, clock } = this.#options
    writeFrame(stream, peer.seal(this.#request(0)))
    const frame = await readFrame(stream, withinMs, clock)
    const message = frame === undefined ? undefined : peer.open(frame)
    if (message?.type === 'opened' && message.attempt === this.#attempt) return { bytes: stream, opened: message }
    stream.destroy()
    return undefined
  }

  /** Sends until there is an answer; undefined after the last send's time. */
  async #ask(send: () => void, scheduleMs: readonly number[]): Promise<Opened | undefined> {
    const answered = new AbortController()
    let opened: Opened | undefined
    this.#answered = (message) => {
      opened ??= message
      answered.abort()
    }
    await this.#repeat(send, scheduleMs, AbortSignal.any([this.#cancel.signal, answered.signal]))
    this.#answered = undefined
    return opened
  }

  /** The last entry is when to stop. */
  async #repeat(send: () => void, scheduleMs: readonly number[], signal: AbortSignal): Promise<void> {
    for (const [index, atMs] of scheduleMs.entries()) {
      const nextMs = scheduleMs[index + 1]
      if (nextMs === undefined || signal.aborted) return
      send()
      await sleep(this.#options.clock, nextMs - atMs, signal)
    }
  }

  #request(stream: number, relay: Uint8Array = NO_RELAY): Datagram & Open {
    const { path } = this.#options.way
    return { type: 'open', attempt: this.#attempt, path, stream, relay, noise: this.#noise.message }
  }
}
