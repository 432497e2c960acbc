/**
 * The camera's way to its storage device: owns look-ups, streams and channels around the connect machine, and does what
 * that one wants done. Everything goes through one UDP port.
 */
import { networkInterfaces } from 'node:os'
import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { toHex } from '../wire/bytes.ts'
import { HomewardError } from '../wire/errors.ts'
import type { Address } from './address.ts'
import type { Candidate } from './attempt.ts'
import { CameraOpening } from './camera-opening.ts'
import { CameraPortSearch } from './camera-port-search.ts'
import { type Interfaces, localCandidates } from './candidates.ts'
import type { Channel } from './channel.ts'
import { initialMachine } from './connect.ts'
import { type Datagram, type Probe, PUNCH_CANDIDATES_MAX, type Punched } from './datagram-body.ts'
import { PAIR_KIND } from './datagram-port.ts'
import { buildEnrol } from './enrolment.ts'
import type { Identity } from './identity.ts'
import { watchInterfaces } from './interfaces.ts'
import type { LinkAction } from './link-state.ts'
import { type LinkStatus, statusOf } from './link-status.ts'
import { MachineLoop } from './machine-loop.ts'
import type { Pairing } from './pairing.ts'
import { Peer, PeerTable } from './peer.ts'
import type { FreshnessSource } from './replay.ts'
import { Search } from './search.ts'
import type { CameraHelp } from './server-help.ts'
import { UdxPort } from './udx-port.ts'

/** Stands in a multicast probe where others have the number of an address. */
const SEARCH_CANDIDATE = 0xffff

export interface CameraLinkOptions {
  readonly identity: Identity
  /** Stays the caller's, who closes it after the link. */
  readonly port: UdxPort
  readonly pairing: Pairing
  /** Numbers this boot's datagrams. */
  readonly source: FreshnessSource
  readonly clock: Clock
  readonly random: Random
  /** The P2P server's help, which the link closes with itself; without it only known addresses are tried. */
  readonly server?: CameraHelp
  readonly interfaces?: () => Interfaces
  /** Also asks its own networks by multicast where the storage device is. */
  readonly discovery?: boolean
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
  readonly #loop: MachineLoop
  #stops: (() => void)[] = []
  #started = false
  #lookUp: { readonly cancel: AbortController; readonly done: Promise<void> } | undefined
  /** Names the probes and enrol datagrams of one attempt. */
  #tx = { attempt: 0, tx: '' }
  readonly #openings = new Map<number, CameraOpening>()
  #search: Search | undefined
  readonly #portSearch: CameraPortSearch<UdxPort>
  /** What ends with an opening that was dropped, as long as it takes. */
  readonly #ending = new Set<Promise<void>>()
  #closing: Promise<void> | undefined

  /** Throws UID_INVALID when the pairing names no usable key. */
  constructor(options: CameraLinkOptions) {
    this.#options = options
    const { identity, pairing, source, server } = options
    this.#peer = new Peer(identity, pairing.storage, source)
    this.#peers.add(this.#peer)
    const { port, clock, random } = options
    this.#loop = new MachineLoop({
      machine: initialMachine({
        known: pairing.addresses,
        enrolled: pairing.token === undefined,
        server: server !== undefined,
      }),
      ...{ clock, random },
      perform: (action) => this.#perform(action),
    })
    this.#portSearch = new CameraPortSearch({
      ...{ clock, random },
      open: () => new UdxPort({ host: port.local.host, random }),
      ask: () => this.#punch(this.#tx.attempt, true),
      probe: () => this.#probe(this.#tx.attempt, SEARCH_CANDIDATE),
      send: (datagram, to) => port.send(datagram, to),
      take: (datagram, from, socket) => this.#take(datagram, from, socket),
    })
  }

  start(): void {
    if (this.#started || this.#closing !== undefined) return
    this.#started = true
    const { port, clock, server, discovery = false, interfaces = networkInterfaces } = this.#options
    if (discovery)
      this.#search = new Search({ clock, interfaces, hear: (datagram, from) => this.#take(datagram, from) })
    server?.start()
    server?.onReturned((box) => this.#take(box, undefined))
    server?.onNat((nat) => this.#loop.dispatch({ type: 'nat-seen', side: 'camera', nat }))
    this.#stops.push(
      port.listen(PAIR_KIND, (datagram, from) => this.#take(datagram, from)),
      watchInterfaces(interfaces, clock, () => this.wake()),
    )
    this.#loop.dispatch({ type: 'started' })
  }

  /** Called with each new channel, which replaces the one before. Returns the way to stop. */
  onChannel(listener: (channel: Channel) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  status(): LinkStatus {
    const { server, clock } = this.#options
    const nat = server?.nat
    return { ...statusOf(this.#loop.machine, clock.monoUs() / 1000), ...(nat === undefined ? {} : { nat }) }
  }

  /** Tries again now, if it is waiting: an interface changed, or a person asks. */
  wake(): void {
    this.#loop.dispatch({ type: 'wake' })
  }

  /** Idempotent; resolves when no timer, stream or listener of the link is left. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#loop.dispatch({ type: 'stopped' })
    for (const stop of this.#stops) stop()
    await this.#lookUp?.done
    for (const number of [...this.#openings.keys()]) this.#end(number)
    await Promise.all(this.#ending)
    await this.#search?.close()
    await this.#portSearch.close()
    await this.#options.server?.close()
  }

  #perform(action: LinkAction): void {
    const { port } = this.#options
    switch (action.type) {
      case 'look-up':
        this.#startLookUp(action.attempt, action.by)
        return
      case 'stop-look-up':
        this.#lookUp?.cancel.abort()
        this.#search?.stop()
        return
      case 'probe': {
        const { candidate, attempt, to, via } = action
        this.#searchFor(attempt)
        const socket = via === undefined ? port : this.#portSearch.socket(via)
        socket?.send(this.#probe(attempt, candidate), to)
        return
      }
      case 'enrol':
        this.#sendEnrol(action.attempt, action.to)
        return
      case 'enrolled':
        this.#options.onEnrolled?.(action.name)
        return
      case 'punch':
        this.#searchFor(action.attempt)
        this.#punch(action.attempt, false)
        return
      case 'search':
        this.#portSearch.start(action.role, action.to)
        return
      case 'stop-search':
        this.#portSearch.stop()
        return
      case 'enrol-by-server':
        this.#enrolByServer(action.attempt)
        return
      case 'open':
        this.#open(action)
        return
      case 'drop':
        this.#end(action.opening)
        return
      case 'use': {
        const channel = this.#openings.get(action.opening)?.channel
        if (channel !== undefined) for (const listener of [...this.#listeners]) listener(channel)
        return
      }
      case 'remember':
        this.#options.onAddresses?.([action.address])
        return
    }
  }

  #open({ opening: number, way }: Extract<LinkAction, { readonly type: 'open' }>): void {
    const { identity, port, server, clock, random } = this.#options
    const via = 'via' in way ? way.via : undefined
    const socket = via === undefined ? undefined : this.#portSearch.takeOut(via)
    const opening = new CameraOpening({
      ...{ number, way, identity, peer: this.#peer, port, server, clock, random },
      ...(socket === undefined ? {} : { socket }),
      ready: () => this.#loop.dispatch({ type: 'opened', opening: number }),
      closed: (reason) => this.#loop.dispatch({ type: 'channel-closed', opening: number, reason }),
    })
    this.#openings.set(number, opening)
  }

  #end(number: number): void {
    const opening = this.#openings.get(number)
    if (opening === undefined) return
    this.#openings.delete(number)
    const ending = opening.close().finally(() => this.#ending.delete(ending))
    this.#ending.add(ending)
  }

  #searchFor(attempt: number): void {
    this.#search?.start(() => this.#probe(attempt, SEARCH_CANDIDATE))
  }

  #probe(attempt: number, candidate: number): Uint8Array {
    const tx = this.#txOf(attempt)
    return this.#peer.seal({ type: 'probe', tx, candidate, sentUs: this.#options.clock.monoUs() })
  }

  #punch(attempt: number, search: boolean): void {
    const { port, server, interfaces = networkInterfaces } = this.#options
    if (server === undefined) return
    const { nat = 'unknown', seen } = server
    const candidates = localCandidates(interfaces(), port.local).slice(0, PUNCH_CANDIDATES_MAX)
    const request = { type: 'punch', tx: this.#txOf(attempt), candidates, nat, search } as const
    server.carry(this.#peer.seal(seen === undefined ? request : { ...request, seen }), 'pair')
  }

  #enrolByServer(attempt: number): void {
    const offer = this.#enrolment(attempt)
    if (offer !== undefined) this.#options.server?.carry(offer, 'token')
  }

  #sendEnrol(attempt: number, to: Address): void {
    const offer = this.#enrolment(attempt)
    if (offer !== undefined) this.#options.port.send(offer, to)
  }

  #enrolment(attempt: number): Uint8Array | undefined {
    const { identity, pairing, source } = this.#options
    const { token, storage, wantedName } = pairing
    if (token === undefined) return undefined
    return buildEnrol({
      ...{ camera: identity, storage, token, tx: this.#txOf(attempt), name: wantedName, fresh: source.next() },
    })
  }

  #startLookUp(attempt: number, by: 'pair' | 'token'): void {
    const { server } = this.#options
    if (server === undefined) return
    const cancel = new AbortController()
    this.#lookUp = { cancel, done: this.#askServer(server, attempt, by, cancel.signal) }
  }

  async #askServer(server: CameraHelp, attempt: number, by: 'pair' | 'token', signal: AbortSignal): Promise<void> {
    try {
      const { candidates, observed } = await server.lookUp(by, signal)
      const found = candidates.map((address): Candidate => ({ path: 'lan', source: 'looked-up', address }))
      // A storage device that is connected to the server by TLS is not seen by UDP.
      if (observed !== undefined) found.push({ path: 'punched', source: 'observed', address: observed })
      this.#loop.dispatch({ type: 'looked-up', attempt, candidates: found })
    } catch (error) {
      if (!(error instanceof HomewardError)) throw error
      this.#loop.dispatch({ type: 'look-up-failed', attempt, code: error.code, hint: error.hint })
    }
  }

  #take(datagram: Uint8Array, from: Address | undefined, socket?: UdxPort): void {
    const message = this.#peers.open(datagram)?.message
    if (message !== undefined) this.#hear(message, from, socket)
  }

  /** `from` is unknown when the server carried it. `socket`: the one of a search at which it arrived. */
  #hear(message: Datagram, from: Address | undefined, socket: UdxPort | undefined): void {
    const attempt = this.#tx.attempt
    switch (message.type) {
      case 'probe':
        if (from !== undefined) this.#heardProbe(message, from, socket)
        return
      case 'probe-answer': {
        if (message.tx !== this.#tx.tx) return
        if (message.candidate === SEARCH_CANDIDATE) {
          if (from !== undefined) this.#heardFrom(from, socket)
          return
        }
        const rttMs = Math.max(0, this.#options.clock.monoUs() - message.sentUs) / 1000
        this.#loop.dispatch({ type: 'probe-answered', attempt, candidate: message.candidate, rttMs })
        return
      }
      case 'punched':
        if (message.tx === this.#tx.tx) this.#heardPunched(message, attempt)
        return
      case 'enrolled':
        if (message.tx === this.#tx.tx) this.#loop.dispatch({ type: 'enrolled', attempt, name: message.name, from })
        return
      case 'opened':
        this.#openingOf(message.attempt)?.answer(message)
        return
      case 'refuse': {
        const opening = this.#openingOf(message.attempt)
        if (opening !== undefined) this.#loop.dispatch({ type: 'refused', opening: opening.number, code: message.code })
        return
      }
      case 'bye':
        this.#openingOf(message.attempt)?.channel?.abort('ended')
        return
      default:
        // The rest is what a camera sends, not what it gets.
        return
    }
  }

  /** The storage device punches: whether its own NAT lets our answer in, our own probe will tell. */
  #heardProbe({ tx, candidate, sentUs }: Probe, from: Address, socket: UdxPort | undefined): void {
    const answer = this.#peer.seal({ type: 'probe-answer', tx, candidate, sentUs, observed: from })
    const { port } = this.#options
    ;(socket ?? port).send(answer, from)
    this.#heardFrom(from, socket)
  }

  #heardFrom(from: Address, socket: UdxPort | undefined): void {
    if (socket === undefined) {
      this.#portSearch.answeredFrom(from)
      this.#loop.dispatch({ type: 'heard', from })
      return
    }
    this.#loop.dispatch({ type: 'heard', from, via: this.#portSearch.numberOf(socket) })
  }

  #heardPunched({ nat, search }: Punched, attempt: number): void {
    this.#loop.dispatch({ type: 'nat-seen', side: 'storage', nat })
    if (search === 'running') this.#portSearch.begun()
    else if (search !== 'unasked') this.#loop.dispatch({ type: 'search-refused', attempt })
  }

  #openingOf(attempt: string): CameraOpening | undefined {
    return [...this.#openings.values()].find((opening) => opening.attempt === attempt)
  }

  #txOf(attempt: number): string {
    if (this.#tx.attempt !== attempt) this.#tx = { attempt, tx: toHex(this.#options.random.bytes(8)) }
    return this.#tx.tx
  }
}
