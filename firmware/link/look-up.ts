/**
 * The camera's question to a P2P server: where is my storage device? (patent step B) Of several servers that share a
 * registry the one that is asked may name the one that knows. All of them have the same key, so the pin holds for each.
 */
import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { equalBytes } from '../wire/bytes.ts'
import { HomewardError } from '../wire/errors.ts'
import { type AnswerBody, SIGNAL_NONCE_BYTES, type SignalMessage, type SignalOf } from '../wire/signal.ts'
import type { Address } from './address.ts'
import type { ServerAddresses } from './server-addresses.ts'
import { exchange } from './signal-port.ts'
import { lookUpKey, openAnswer, openStatement, readObserved } from './signal-proof.ts'
import type { Signals } from './signals.ts'
import { shortId } from './uid.ts'

/**
 * Doubling gaps, first short enough that one lost datagram does not delay a connect that LAN probes are already racing.
 * Silence is the server's answer to strangers, so only the last entry, giving up, ends it.
 */
export const LOOK_UP_SCHEDULE_MS = [0, 100, 300, 700, 1500, 3000, 5000] as const

/** One server names the one that knows; should the device have moved meanwhile, that one names another. */
const MAX_SERVERS_NAMED = 2

export interface LookUp {
  readonly signals: Signals
  readonly server: ServerAddresses
  /** Ed25519 key of the storage device, 32 bytes: what its UID says. */
  readonly storage: Uint8Array
  /** The look-up tag of the pair, or of the setup token, 16 bytes. */
  readonly tag: Uint8Array
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
  /** The way to a server that was named; by default the same as to the first. Rejects when there is none. */
  readonly reach?: (server: ServerAddresses) => Promise<Signals>
}

export interface Located {
  /** The storage device's own addresses, best first, signed by its key. */
  readonly candidates: readonly Address[]
  /** Grows with every registration of the storage device. */
  readonly serial: number
  /** Its UDP address as the server sees it; undefined when it is registered over TLS. */
  readonly observed: Address | undefined
  /** This device's UDP address as the server sees it; undefined when it asked over TLS. */
  readonly self: Address | undefined
  /** The server that answered, of which the rest is to be asked too, */
  readonly at: ServerAddresses
  /** and which of its addresses did. */
  readonly server: Address
}

/**
 * Asks all addresses of the server until one answers. Throws SERVER_UNREACHABLE after LOOK_UP_SCHEDULE_MS, CANCELLED when
 * `signal` aborts. Answers that the pinned server or the storage device did not sign count as none.
 */
export async function lookUp(options: LookUp): Promise<Located> {
  const { reach = async () => options.signals } = options
  let { signals, server } = options
  for (let named = 0; ; named++) {
    const answer = await ask({ ...options, signals, server })
    if (answer.t === 'located') return answer.located
    if (named === MAX_SERVERS_NAMED) throw roundAndRound(server)
    server = server.other(answer)
    signals = await reach(server)
  }
}

type Answer = { readonly t: 'located'; readonly located: Located } | Extract<AnswerBody, { t: 'elsewhere' }>

async function ask({ signals, server, storage, tag, clock, random, signal }: LookUp): Promise<Answer> {
  const addresses = await server.current(signal)
  const request: SignalMessage = {
    t: 'look-up',
    nonce: random.bytes(SIGNAL_NONCE_BYTES),
    key: lookUpKey(storage, tag),
  }
  const answer = await exchange<Answer>({
    signals,
    clock,
    scheduleMs: LOOK_UP_SCHEDULE_MS,
    signal,
    send: () => {
      for (const address of addresses) signals.send(request, address)
    },
    accept: (message, from) => {
      if (message.t !== 'signed' || !equalBytes(message.nonce, request.nonce)) return undefined
      const result = readAnswer(message, server, storage, from)
      return result === undefined ? undefined : { result }
    },
  })
  if (answer !== undefined) return answer
  if (signal.aborted) throw new HomewardError('CANCELLED', 'the look-up was cancelled')
  throw silence(server, storage)
}

function readAnswer(
  message: SignalOf<'signed'>,
  server: ServerAddresses,
  storage: Uint8Array,
  from: Address,
): Answer | undefined {
  const body = openAnswer(message, server.server.key)
  if (body?.t === 'elsewhere') return body
  if (body?.t !== 'found') return undefined
  const announcement = openStatement(body, { uid: storage })
  const observed = readObserved(body.storage)
  const self = readObserved(body.asker)
  if (announcement === undefined || observed === 'malformed' || self === 'malformed') return undefined
  if (body.tls !== undefined) server.learnTlsPort(body.tls)
  const { candidates, serial } = announcement
  return { t: 'located', located: { candidates, serial, observed, self, at: server, server: from } }
}

function roundAndRound(server: ServerAddresses): HomewardError {
  return new HomewardError('SERVER_UNREACHABLE', `the P2P server ${server.name} names yet another one`, {
    hint: `More than ${MAX_SERVERS_NAMED} are not followed. The servers may disagree for a moment; it is tried again.`,
  })
}

function silence(server: ServerAddresses, storage: Uint8Array): HomewardError {
  const waitedMs = LOOK_UP_SCHEDULE_MS.at(-1) ?? 0
  return new HomewardError(
    'SERVER_UNREACHABLE',
    `the P2P server ${server.name} gave no answer about storage ${shortId(storage)} within ${waitedMs / 1000} s`,
    {
      hint:
        'The server or the way to it may be down (UDP blocked, another key than the pinned one), the storage device may ' +
        'be off or not registered there, or this camera is not paired with it: a P2P server is silent about all of these.',
    },
  )
}
