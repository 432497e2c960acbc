/**
 * The camera's way to its storage device: owns timers, look-ups, streams and channels around the connect machine, and
 * does what that one wants done. Everything goes through one UDP port.
 */
import { networkInterfaces } from 'node:os'
import type { Clock, Timer } from '../platform/clock.ts'
import { type Random, randomBelow } from '../platform/random.ts'
import { toHex } from '../wire/bytes.ts'
import { HomewardError } from '../wire/errors.ts'
import type { Address } from './address.ts'
import type { Candidate } from './attempt.ts'
import { CameraOpening } from './camera-opening.ts'
import type { Interfaces } from './candidates.ts'
import type { Channel } from './channel.ts'
import { initialMachine, nextWakeMs, reduce } from './connect.ts'
import type { Datagram } from './datagram.ts'
import { PAIR_KIND } from './datagram-port.ts'
import { buildEnrol } from './enrolment.ts'
import type { Identity } from './identity.ts'
import { watchInterfaces } from './interfaces.ts'
import type { LinkAction, LinkEvent, Machine } from './link-state.ts'
import { type LinkStatus, statusOf } from './link-status.ts'
import { lookUp } from './look-up.ts'
import { tokenTags } from './pair.ts'
import type { Pairing } from './pairing.ts'
import { Peer, PeerTable } from './peer.ts'
import type { FreshnessSource } from './replay.ts'
import type { ServerAddresses } from './server-addresses.ts'
import { SignalPort } from './signal-port.ts'
import type { UdxPort } from './udx-port.ts'

export interface CameraLinkOptions {
  readonly identity: Identity
  /** Stays the caller's, who closes it after the link. */
  readonly port: UdxPort
  readonly pairing: Pairing
  /** Numbers this boot's datagrams. */
  readonly source: FreshnessSource
  readonly clock: Clock
  readonly random: Random
  /** The P2P server to ask; without one only known addresses are tried. */
  readonly server?: ServerAddresses
  readonly interfaces?: () => Interfaces
  /** The storage device was met there: to be kept for the next start. */
  readonly onAddresses?: (addresses: readonly Address[]) => void
  /** The storage device knows this camera now, under this name when it said one: the token is to be forgotten. */
  readonly onEnrolled?: (name: string | undefined) => void
}

export class CameraLink {
  readonly #options: CameraLinkOptions
  readonly #peers = new PeerTable()
  readonly #peer: Peer
  readonly #listeners = new Set<(channel: Channel) => void>()
  readonly #events: LinkEvent[] = []
  #machine: Machine
  #working = false
  #timer: Timer | undefined
  #stops: (() => void)[] = []
  #signals: SignalPort | undefined
  #lookUp: { readonly cancel: AbortController; readonly done: Promise<void> } | undefined
  /** Names the probes and enrol datagrams of one attempt. */
  #tx = { attempt: 0, tx: '' }
  #opening: CameraOpening | undefined
  /** What ends with an opening that was dropped, as long as it takes. */
  readonly #ending = new Set<Promise<void>>()
  #closing: Promise<void> | undefined

  /** Throws UID_INVALID when the pairing names no usable key. */
  constructor(options: CameraLinkOptions) {
    this.#options = options
    const { identity, pairing, source, server } = options
    this.#peer = new Peer(identity, pairing.storage, source)
    this.#peers.add(this.#peer)
    this.#machine = initialMachine({
      known: pairing.addresses,
      enrolled: pairing.token === undefined,
      server: server !== undefined,
    })
  }

  start(): void {
    if (this.#signals !== undefined || this.#closing !== undefined) return
    const { port, clock, interfaces = networkInterfaces } = this.#options
    this.#signals = new SignalPort(port)
    this.#stops.push(
      port.listen(PAIR_KIND, (datagram, from) => {
        const message = this.#peers.open(datagram)?.message
        if (message !== undefined) this.#hear(message, from)
      }),
      watchInterfaces(interfaces, clock, () => this.wake()),
    )
    this.#dispatch({ type: 'started' })
  }

  /** Called with each new channel, which replaces the one before. Returns the way to stop. */
  onChannel(listener: (channel: Channel) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  status(): LinkStatus {
    return statusOf(this.#machine, this.#nowMs())
  }

  /** Tries again now, if it is waiting: an interface changed, or a person asks. */
  wake(): void {
    this.#dispatch({ type: 'wake' })
  }

  /** Idempotent; resolves when no timer, stream or listener of the link is left. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#dispatch({ type: 'stopped' })
    for (const stop of this.#stops) stop()
    await this.#lookUp?.done
    await Promise.all(this.#ending)
    this.#signals?.close()
  }

  /** One event after the other, also those that an action causes. */
  #dispatch(event: LinkEvent): void {
    this.#events.push(event)
    if (this.#working) return
    this.#working = true
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        const chance = randomBelow(this.#options.random, 65_536) / 65_536
        const { machine, actions } = reduce(this.#machine, next, { nowMs: this.#nowMs(), chance })
        this.#machine = machine
        for (const action of actions) this.#perform(action)
      }
    } finally {
      this.#working = false
    }
    this.#timer?.cancel()
    const wakeMs = nextWakeMs(this.#machine)
    if (wakeMs === undefined) return
    const waitMs = Math.max(0, Math.ceil(wakeMs - this.#nowMs()))
    this.#timer = this.#options.clock.after(waitMs, () => this.#dispatch({ type: 'timer' }))
  }

  #perform(action: LinkAction): void {
    const { port, clock } = this.#options
    switch (action.type) {
      case 'look-up':
        this.#startLookUp(action.attempt, action.by)
        return
      case 'stop-look-up':
        this.#lookUp?.cancel.abort()
        return
      case 'probe': {
        const { candidate, attempt, to } = action
        port.send(this.#peer.seal({ type: 'probe', tx: this.#txOf(attempt), candidate, sentUs: clock.monoUs() }), to)
        return
      }
      case 'enrol':
        this.#sendEnrol(action.attempt, action.to)
        return
      case 'enrolled':
        this.#options.onEnrolled?.(action.name)
        return
      case 'open':
        this.#open(action)
        return
      case 'drop':
        if (this.#opening?.number === action.opening) this.#end(this.#opening)
        return
      case 'use': {
        const channel = this.#opening?.number === action.opening ? this.#opening.channel : undefined
        if (channel !== undefined) for (const listener of [...this.#listeners]) listener(channel)
        return
      }
      case 'remember':
        this.#options.onAddresses?.([action.address])
        return
    }
  }

  #open({ opening: number, path, to }: Extract<LinkAction, { readonly type: 'open' }>): void {
    if (this.#opening?.number === number) {
      this.#opening.ask()
      return
    }
    const { identity, port, clock, random } = this.#options
    this.#opening = new CameraOpening({
      ...{ number, identity, peer: this.#peer, port, path, to, clock, random },
      hear: (message) => this.#hear(message, to),
      ready: () => this.#dispatch({ type: 'opened', opening: number }),
      closed: (reason) => this.#dispatch({ type: 'channel-closed', opening: number, reason }),
    })
  }

  #end(opening: CameraOpening): void {
    const ending = opening.close().finally(() => this.#ending.delete(ending))
    this.#ending.add(ending)
  }

  #sendEnrol(attempt: number, to: Address): void {
    const { identity, port, pairing, source } = this.#options
    const { token, storage, wantedName } = pairing
    if (token === undefined) return
    const offer = { camera: identity, storage, token, tx: this.#txOf(attempt), name: wantedName, fresh: source.next() }
    port.send(buildEnrol(offer), to)
  }

  #startLookUp(attempt: number, by: 'pair' | 'token'): void {
    const { server, pairing } = this.#options
    if (server === undefined || this.#signals === undefined) return
    const tag = by === 'token' && pairing.token !== undefined ? tokenTags(pairing.token) : this.#peer.keys
    const cancel = new AbortController()
    const asked = {
      signals: this.#signals,
      server,
      storage: pairing.storage,
      tag: tag.lookupTag,
      signal: cancel.signal,
    }
    this.#lookUp = { cancel, done: this.#askServer(attempt, asked) }
  }

  async #askServer(attempt: number, asked: Omit<Parameters<typeof lookUp>[0], 'clock' | 'random'>): Promise<void> {
    const { clock, random } = this.#options
    try {
      const { candidates } = await lookUp({ ...asked, clock, random })
      const found = candidates.map((address): Candidate => ({ path: 'lan', source: 'looked-up', address }))
      this.#dispatch({ type: 'looked-up', attempt, candidates: found })
    } catch (error) {
      if (!(error instanceof HomewardError)) throw error
      this.#dispatch({ type: 'look-up-failed', attempt, code: error.code, hint: error.hint })
    }
  }

  #hear(message: Datagram, from: Address): void {
    const attempt = this.#tx.attempt
    const opening = this.#opening
    switch (message.type) {
      case 'probe-answer': {
        if (message.tx !== this.#tx.tx) return
        const rttMs = Math.max(0, this.#options.clock.monoUs() - message.sentUs) / 1000
        this.#dispatch({ type: 'probe-answered', attempt, candidate: message.candidate, rttMs })
        return
      }
      case 'enrolled':
        if (message.tx === this.#tx.tx) this.#dispatch({ type: 'enrolled', attempt, name: message.name, from })
        return
      case 'opened':
        opening?.answer(message)
        return
      case 'refuse':
        if (opening?.attempt === message.attempt) {
          this.#dispatch({ type: 'refused', opening: opening.number, code: message.code })
        }
        return
      case 'bye':
        if (opening?.attempt === message.attempt) opening.channel?.abort('ended')
        return
      default:
        // Probes and opens are what a camera sends, not what it gets.
        return
    }
  }

  #txOf(attempt: number): string {
    if (this.#tx.attempt !== attempt) this.#tx = { attempt, tx: toHex(this.#options.random.bytes(8)) }
    return this.#tx.tx
  }

  #nowMs(): number {
    return this.#options.clock.monoUs() / 1000
  }
}
