/** The traces in docs/connecting.md, compared with what real devices and a real server say to each other. */
import { readFile } from 'node:fs/promises'
import type { NetworkInterfaceInfo } from 'node:os'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Address } from '../link/address.ts'
import { CameraServer } from '../link/camera-server.ts'
import { readHead } from '../link/datagram.ts'
import { PAIR_KIND, SIGNAL_KIND } from '../link/datagram-port.ts'
import { createIdentity } from '../link/identity.ts'
import { startCamera, startStorage, waitFor } from '../link/link-devices.ts'
import { PairKeys } from '../link/pair.ts'
import { ServerAddresses } from '../link/server-addresses.ts'
import { readSignalDatagram } from '../link/signal-port.ts'
import { UdxPort } from '../link/udx-port.ts'
import { RealClock } from '../platform/clock-real.ts'
import { realRandom } from '../platform/random.ts'
import { decodeAnswerBody, type SignalMessage } from '../wire/signal.ts'
import { MemoryRegistry } from './registry/memory.ts'
import { SharedRegistry } from './registry/shared.ts'
import { FakeSharedPlace, FakeSharedStore } from './registry/shared-store-fake.ts'
import { P2pServer } from './server.ts'

type Node = 'camera' | 'storage' | 'server' | 'other'

const clock = new RealClock()
const DOC = new URL('../../docs/connecting.md', import.meta.url)

/** Every datagram that was sent, in short and in the order of their first. */
class Trace {
  readonly lines: string[] = []
  readonly #places = new Map<number, Node>()
  /** True for what does not arrive. */
  lost: (from: Node, to: Node) => boolean = () => false

  place(node: Node, port: UdxPort): void {
    this.#places.set(port.local.port, node)
  }

  /** False: it is not to be sent. */
  sent(from: Node, to: Address, what: string): boolean {
    const target = this.#places.get(to.port)
    if (target === undefined) return true
    if (this.lost(from, target)) return false
    const line = `${from} → ${target}: ${what}`
    if (!this.lines.includes(line)) this.lines.push(line)
    return true
  }
}

class TracedPort extends UdxPort {
  readonly #node: Node
  readonly #trace: Trace

  constructor(node: Node, trace: Trace) {
    super({ host: '127.0.0.1' })
    this.#node = node
    this.#trace = trace
    trace.place(node, this)
  }

  override send(message: Uint8Array, to: Address): void {
    if (this.#trace.sent(this.#node, to, nameOf(message))) super.send(message, to)
  }
}

function nameOf(message: Uint8Array): string {
  if (message[0] === PAIR_KIND) return readHead(message)?.type ?? 'unknown'
  const signal = message[0] === SIGNAL_KIND ? readSignalDatagram(message) : undefined
  return signal === undefined ? 'unknown' : signalName(signal)
}

function signalName(message: SignalMessage): string {
  const body = 'body' in message ? decodeAnswerBody(message.body) : message
  const what = message.t === 'signed' ? `signed ${body.t}` : message.t
  return 'box' in body ? `${what} ${readHead(body.box)?.type}` : what
}

/** What the page says. */
async function traceOf(name: string): Promise<string[]> {
  const text = await readFile(DOC, 'utf8')
  const block = new RegExp(`\`\`\`trace ${name}\\n([^\`]*)\`\`\``).exec(text)?.[1]
  assert.ok(block !== undefined, `docs/connecting.md has no trace ${name}`)
  return block.trim().split('\n')
}

/** Addresses that lead nowhere: those of a home behind a NAT, seen from another one. */
const ELSEWHERE: NetworkInterfaceInfo = {
  ...{ address: '192.168.99.10', netmask: '255.255.255.0', family: 'IPv4', mac: '', internal: false },
  cidr: '192.168.99.10/24',
}

interface MeetOptions {
  readonly hidden: boolean
  /** The camera asks a server at which the storage device is not. */
  readonly elsewhere?: boolean
}

async function meet(trace: Trace, options: MeetOptions, until: () => boolean) {
  const identity = createIdentity()
  const port = new TracedPort('server', trace)
  const shared = new FakeSharedPlace()
  const open = (at: TracedPort) => {
    const registry = new SharedRegistry(new MemoryRegistry(clock), new FakeSharedStore(shared, at.local))
    const server = new P2pServer({ ...{ port: at, streams: at, identity, clock, random: realRandom, registry } })
    server.start()
    return server
  }
  const server = open(port)
  const otherPort = new TracedPort('other', trace)
  const other = open(otherPort)
  const place = { host: '127.0.0.1', port: port.local.port, key: identity.publicKey }
  const addresses = () => new ServerAddresses(place, clock)
  const camera = createIdentity()
  const storage = await startStorage({
    ...{ server: addresses(), enrolled: [camera], udx: new TracedPort('storage', trace) },
    ...(options.hidden ? { interfaces: () => ({ eth0: [ELSEWHERE] }) } : {}),
  })
  await waitFor(() => storage.link.status().registration?.state === 'registered', 'the registration')
  const registered = [...trace.lines]
  trace.lines.length = 0
  const udx = new TracedPort('camera', trace)
  const uid = storage.identity.publicKey
  const tags = { pair: new PairKeys(camera, uid).lookupTag }
  const asked = options.elsewhere ? new ServerAddresses({ ...place, port: otherPort.local.port }, clock) : addresses()
  const help = new CameraServer({ port: udx, server: asked, storage: uid, tags, clock, random: realRandom })
  const device = startCamera({ identity: camera, storage: uid, server: help, udx })
  const channel = await device.nextChannel(0)
  channel.send(Uint8Array.of(1))
  await storage.nextChannel(0)
  await waitFor(until, 'the rest of the trace')
  // The packets of udx go past its port's own `send`.
  if (channel.path === 'punched') trace.lines.push('camera → storage: udx', 'storage → camera: udx')
  if (channel.path === 'relay-udp') {
    for (const end of ['camera', 'storage']) trace.lines.push(`${end} → server: udx`, `server → ${end}: udx`)
  }
  const seen = { path: channel.path, lines: [...trace.lines], registered }
  await device.close()
  await storage.close()
  for (const one of [server, other]) await one.close()
  for (const one of [port, otherPort]) await one.close()
  return seen
}

async function compare(name: string, path: string, seen: { readonly path: string; readonly lines: readonly string[] }) {
  assert.is(seen.path, path)
  assert.equal([...seen.lines].sort(), (await traceOf(name)).sort())
}

test('register, and a LAN', async () => {
  const trace = new Trace()
  const seen = await meet(trace, { hidden: false }, () => trace.lines.length >= 10)
  assert.equal(seen.registered, await traceOf('register'))
  await compare('lan', 'lan', seen)
})

test('registered at another server', async () => {
  const trace = new Trace()
  await compare(
    'elsewhere',
    'lan',
    await meet(trace, { hidden: false, elsewhere: true }, () => trace.lines.length >= 13),
  )
})

test('punched', async () => {
  const trace = new Trace()
  await compare('punched', 'punched', await meet(trace, { hidden: true }, () => trace.lines.length >= 12))
})

test('relayed over UDP', async () => {
  const trace = new Trace()
  trace.lost = (from, to) => from !== 'server' && to !== 'server'
  await compare('relay-udp', 'relay-udp', await meet(trace, { hidden: true }, () => trace.lines.length >= 15))
})

test.run()
