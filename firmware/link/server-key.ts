/** The P2P server's key: given, pinned at an earlier contact, or learned at the first one and pinned from then on. */
import { join } from 'node:path'
import { type Clock, sleep } from '../platform/clock.ts'
import { type Random, realRandom } from '../platform/random.ts'
import { equalBytes } from '../wire/bytes.ts'
import { HomewardError, isHomewardError } from '../wire/errors.ts'
import { SIGNAL_NONCE_BYTES, type SignalMessage } from '../wire/signal.ts'
import { type Address, sameAddress } from './address.ts'
import { REQUEST_SCHEDULE_MS } from './registration.ts'
import { type ResolveHost, ServerAddresses } from './server-addresses.ts'
import type { SetupServer } from './setup-code.ts'
import { exchange, type SignalPort } from './signal-port.ts'
import { readState, stateDamaged, writeState } from './state-json.ts'
import { formatUid, parseUid } from './uid.ts'

const FILE = 'server.json'
const FORMAT = 'homeward-server-1'
const UNKNOWN_KEY = new Uint8Array(32)

export interface ServerPlace {
  readonly host: string
  readonly port: number
}

/** The key pinned for this very place. Throws STATE_DAMAGED. */
export async function pinnedServer(stateDir: string, place: ServerPlace): Promise<SetupServer | undefined> {
  const path = join(stateDir, FILE)
  const fields = await readState(path, FORMAT)
  if (fields === undefined || fields.host !== place.host || fields.port !== place.port) return undefined
  const { key } = fields
  if (typeof key !== 'string') throw stateDamaged(path, '"key" is not text')
  return { ...place, key: parseUid(key) }
}

export async function pinServer(stateDir: string, server: SetupServer): Promise<void> {
  const { host, port, key } = server
  await writeState(join(stateDir, FILE), FORMAT, { host, port, key: formatUid(key) })
}

export interface LearnOptions {
  readonly signals: SignalPort
  readonly clock: Clock
  readonly random?: Random
  readonly resolve?: ResolveHost
  /** As for {@link ServerAddresses}. */
  readonly tls?: ServerPlace | undefined
  /** Asks by TLS, where UDP gets no answer. Rejects as {@link dialServer}. */
  readonly askByTls?: (addresses: readonly Address[], signal: AbortSignal) => Promise<Uint8Array>
  readonly signal: AbortSignal
}

/** A server that is reached by UDP has answered by then. */
const LEARN_TLS_AFTER_MS = 1_000

/** Asks the server for its key. Throws SERVER_UNREACHABLE, CANCELLED. */
export async function learnServer(place: ServerPlace, options: LearnOptions): Promise<SetupServer> {
  const { clock, resolve, tls, askByTls, signal } = options
  const server = new ServerAddresses({ ...place, key: UNKNOWN_KEY }, clock, { resolve, tls })
  const addresses = await server.current(signal)
  const over = new AbortController()
  const either = AbortSignal.any([signal, over.signal])
  const byTls = async () => {
    await sleep(clock, LEARN_TLS_AFTER_MS, either)
    if (askByTls === undefined || either.aborted) throw silent(place)
    return askByTls(await server.currentTls(either), either)
  }
  try {
    const key = await Promise.any([askByUdp(place, addresses, options, either), byTls()])
    return { ...place, key }
  } catch (error) {
    if (signal.aborted) throw new HomewardError('CANCELLED', 'the contact with the P2P server was cancelled')
    if (error instanceof AggregateError && error.errors.every((one) => isHomewardError(one))) throw silent(place)
    throw error
  } finally {
    over.abort()
  }
}

async function askByUdp(
  place: ServerPlace,
  addresses: readonly Address[],
  { signals, clock, random = realRandom }: LearnOptions,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const hello: SignalMessage = { t: 'register-hello', nonce: random.bytes(SIGNAL_NONCE_BYTES) }
  const key = await exchange<Uint8Array>({
    signals,
    clock,
    scheduleMs: REQUEST_SCHEDULE_MS,
    signal,
    send: () => {
      for (const address of addresses) signals.send(hello, address)
    },
    accept: (message, from) => {
      if (message.t !== 'challenge' || !equalBytes(message.nonce, hello.nonce)) return undefined
      return addresses.some((address) => sameAddress(address, from)) ? { result: message.key } : undefined
    },
  })
  if (key === undefined) throw silent(place)
  return key
}

function silent({ host, port }: ServerPlace): HomewardError {
  return new HomewardError('SERVER_UNREACHABLE', `the P2P server ${host}:${port} does not answer`, {
    hint: 'It may be down, or its ports may be blocked on the way.',
  })
}
