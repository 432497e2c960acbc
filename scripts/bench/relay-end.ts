/** One end of a relayed secret-stream over udx, as a process: by our relay, or by a TURN server. */
import NoiseSecretStream from '@hyperswarm/secret-stream'
import type { Address } from '../../firmware/link/address.ts'
import { createIdentity } from '../../firmware/link/identity.ts'
import { Registration } from '../../firmware/link/registration.ts'
import { joinRelayUdp, type RelayOwner } from '../../firmware/link/relay-udp.ts'
import { ServerAddresses } from '../../firmware/link/server-addresses.ts'
import type { SetupServer } from '../../firmware/link/setup-code.ts'
import { SignalPort } from '../../firmware/link/signal-port.ts'
import { UdxPort } from '../../firmware/link/udx-port.ts'
import { RealClock } from '../../firmware/platform/clock-real.ts'
import { realRandom } from '../../firmware/platform/random.ts'
import { HomewardError } from '../../firmware/wire/errors.ts'
import { PIECE_BYTES } from '../../firmware/wire/limits.ts'
import type { BareKeys } from './bare-end.ts'
import { obey } from './child.ts'
import { pause } from './home.ts'
import { TurnClient } from './turn-client.ts'

/** Where an end is, and the id of its udx stream. */
export interface Place {
  readonly address: Address
  readonly stream: number
}

export type RelayOrders = {
  readonly place: (given: undefined) => Place
  /** Connects through our relay, as the storage device whose relay it is or as its camera. */
  readonly join: (given: { server: SetupServer; key: Uint8Array; as: 'owner' | 'camera' }) => Promise<void>
  /** Connects to `peer` through a TURN server; resolves with where the peer finds this end. */
  readonly allocate: (given: { server: Address; peer: Place }) => Promise<Address>
  readonly connect: (given: { to: Place }) => void
  readonly secure: (given: { initiator: boolean; keys: BareKeys }) => void
  /** Tells the sender when so many bytes have come. */
  readonly expect: (given: { bytes: number }) => void
  /** Resolves once the other end says that all are there. */
  readonly send: (given: { bytes: number; bytesPerSecond: number }) => Promise<Sent>
}

export interface Sent {
  readonly tookMs: number
  /** Of this end, in both directions. */
  readonly packets: number
}

/** Short, so that what is sent is even. */
const STEP_MS = 10
const PIECE = realRandom.bytes(PIECE_BYTES)

const clock = new RealClock()
const random = realRandom
const port = new UdxPort({ host: '127.0.0.1' })
const signals = new SignalPort(port)
const stream = port.openStream()
let secret: NoiseSecretStream | undefined
let awaitedBytes = 0
let allThere: () => void = () => undefined

const orders: RelayOrders = {
  place: () => ({ address: port.local, stream: stream.id }),
  join: async ({ server, key, as }) => {
    const owner = as === 'owner' ? await register(server) : undefined
    const { signal } = new AbortController()
    const leg = await joinRelayUdp({
      ...{ signals, key, clock, random, signal, address: { host: server.host, port: server.port } },
      ...{ serverKey: server.key, stream: stream.id },
      ...(owner === undefined ? {} : { owner }),
    })
    stream.connect(leg.stream, leg.to)
  },
  allocate: async ({ server, peer }) => {
    const turn = await TurnClient.open(server, port.local, peer.address)
    stream.connect(peer.stream, turn.local)
    return turn.relayed
  },
  connect: ({ to }) => stream.connect(to.stream, to.address),
  secure: ({ initiator, keys }) => {
    secret = new NoiseSecretStream(initiator, stream.bytes, { handshake: keys, enableSend: false })
    secret.on('error', () => process.exit(1))
    secret.on('data', (message) => {
      if (initiator) allThere()
      else take(message.byteLength)
    })
  },
  expect: ({ bytes }) => {
    awaitedBytes = bytes
  },
  send: async ({ bytes, bytesPerSecond }) => {
    const done = new Promise<void>((resolve) => {
      allThere = resolve
    })
    const before = stream.bytes.packetsTransmitted + stream.bytes.packetsReceived
    const startedMs = performance.now()
    for (let sent = 0; sent < bytes; await pause(STEP_MS)) {
      const allowed = Math.min(bytes, ((performance.now() - startedMs) / 1000) * bytesPerSecond)
      while (sent < allowed) {
        const piece = PIECE.subarray(0, Math.min(PIECE.byteLength, bytes - sent))
        secret?.write(piece)
        sent += piece.byteLength
      }
    }
    await done
    const packets = stream.bytes.packetsTransmitted + stream.bytes.packetsReceived - before
    return { tookMs: performance.now() - startedMs, packets }
  },
}
obey(orders)

/** Only a registered storage device makes a relay. */
async function register(server: SetupServer): Promise<RelayOwner> {
  const tags = [random.bytes(16)]
  const registration = new Registration({
    ...{ signals, clock, random, identity: createIdentity(), server: new ServerAddresses(server, clock) },
    tags: () => tags,
    candidates: () => [],
  })
  registration.start()
  for (let waited = 0; waited < 500; waited += 1) {
    const owner = registration.owner()
    if (owner !== undefined) return owner
    await pause(STEP_MS)
  }
  throw new HomewardError('TIMED_OUT', `not registered: ${JSON.stringify(registration.status())}`)
}

function take(bytes: number): void {
  awaitedBytes -= bytes
  if (awaitedBytes === 0) secret?.write(Uint8Array.of(1))
}
