/** What cameras ask of a storage device by way of the P2P server: to punch back, to meet at a relay, to be enrolled. */
import type { Clock } from '../platform/clock.ts'
import { isHomewardError } from '../wire/errors.ts'
import type { Address } from './address.ts'
import { readHead } from './datagram.ts'
import type { Punch, Punched, RelayCall } from './datagram-body.ts'
import { readFrame } from './first-frame.ts'
import type { Peer, PeerTable } from './peer.ts'
import { PunchAnswer } from './punch-answer.ts'
import type { Carried, RelayStream, StorageHelp } from './server-help.ts'
import type { StorageLine } from './storage-line.ts'
import type { StoragePortSearches } from './storage-port-searches.ts'
import { FIRST_FRAME_WITHIN_MS } from './tcp.ts'
import type { UdxPort } from './udx-port.ts'

/** Cameras that may be on their way to a relay at the same time. */
const CALLS_MAX = 64

export interface CarriedRequestsOptions {
  readonly help: StorageHelp
  readonly port: UdxPort
  readonly peers: PeerTable
  readonly clock: Clock
  readonly searches: StoragePortSearches<UdxPort>
  readonly lineOf: (peer: Peer) => StorageLine
  /** The first frame of a stream that is nobody's yet. False: it is not for us. */
  readonly receiveOn: (stream: RelayStream, frame: Uint8Array) => boolean
  readonly enrol: (box: Uint8Array, reply: (answer: Uint8Array) => void) => void
}

export class CarriedRequests {
  readonly #options: CarriedRequestsOptions
  readonly #punches = new Map<Peer, PunchAnswer>()
  /** Attempts of cameras that are being met at a relay. */
  readonly #calls = new Set<string>()
  readonly #cancel = new AbortController()

  constructor(options: CarriedRequestsOptions) {
    this.#options = options
    options.help.onCarried((carried) => this.#take(carried))
  }

  /** The camera is not ours any more. */
  forget(peer: Peer): void {
    this.#options.searches.forget(peer)
    this.#punches.get(peer)?.close()
    this.#punches.delete(peer)
  }

  /** Idempotent. */
  close(): void {
    this.#cancel.abort()
    for (const punch of this.#punches.values()) punch.close()
  }

  #take({ box, from, reply }: Carried): void {
    const { help, peers, lineOf, enrol } = this.#options
    if (this.#cancel.signal.aborted) return
    if (readHead(box)?.type === 'enrol') {
      enrol(box, reply)
      return
    }
    const heard = peers.open(box)
    if (heard === undefined) return
    const { peer, message } = heard
    switch (message.type) {
      case 'punch':
        reply(peer.seal(this.#punch(peer, message, from)))
        return
      case 'open': {
        if (message.path !== 'relay-udp') return
        const join = (stream: number) => help.relayUdp(message.relay, stream, this.#cancel.signal)
        const answer = lineOf(peer).openAtRelay(message, join)
        if (answer !== undefined) reply(peer.seal(answer))
        return
      }
      case 'relay-call':
        void this.#answerCall(message)
        return
      default:
        // The rest is for a path of its own.
        return
    }
  }

  #punch(peer: Peer, request: Punch, from: Address | undefined): Punched {
    const { help, searches } = this.#options
    const { tx } = request
    const { nat = 'unknown' } = help
    if (request.search) return { type: 'punched', tx, nat, search: searches.request(peer, request, nat, from) }
    this.#punchBack(peer, request, from)
    return { type: 'punched', tx, nat, search: 'unasked' }
  }

  #punchBack(peer: Peer, { tx, candidates }: Punch, from: Address | undefined): void {
    const { port, clock } = this.#options
    const probe = () => peer.seal({ type: 'probe', tx, candidate: 0, sentUs: clock.monoUs() })
    const punch = this.#punches.get(peer) ?? new PunchAnswer(clock, (to) => port.send(probe(), to))
    this.#punches.set(peer, punch)
    punch.start(from === undefined ? candidates : [from, ...candidates])
  }

  /** Meets the camera at the relay; there it says the rest itself. */
  async #answerCall({ attempt, relay }: RelayCall): Promise<void> {
    const { help, clock, receiveOn } = this.#options
    if (this.#calls.has(attempt) || this.#calls.size >= CALLS_MAX) return
    this.#calls.add(attempt)
    try {
      const stream = await help.relayTls(relay, this.#cancel.signal)
      const frame = await readFrame(stream, FIRST_FRAME_WITHIN_MS, clock)
      if (frame === undefined || !receiveOn(stream, frame)) stream.destroy()
    } catch (error) {
      if (!isHomewardError(error)) throw error
    } finally {
      this.#calls.delete(attempt)
    }
  }
}
