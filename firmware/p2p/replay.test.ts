/**
 * Whoever records everything that a camera and its storage device send by way of the P2P server, and sends it again, from
 * his own address or in their names: nothing happens a second time, and nobody is sent more than he sent.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { NetworkInterfaceInfo } from 'node:os'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Address } from '../link/address.ts'
import { CameraServer } from '../link/camera-server.ts'
import { readHead } from '../link/datagram.ts'
import { PAIR_KIND, SIGNAL_KIND } from '../link/datagram-port.ts'
import { createIdentity } from '../link/identity.ts'
import { nextMessage, startCamera, startStorage, waitFor } from '../link/link-devices.ts'
import { PairKeys } from '../link/pair.ts'
import { PUNCH_BACK_SCHEDULE_MS } from '../link/punch-answer.ts'
import { readSignalDatagram } from '../link/signal-port.ts'
import { UdxPort } from '../link/udx-port.ts'
import { clock, pause, Rig, random } from './rig-fixture.ts'

const TIMES = 3
/** Longer than an answer takes here; the camera’s next own attempt comes later. */
const QUIET_MS = 400

/** What a storage device says to its server without being asked. */
const OF_ITS_OWN_ACCORD: ReadonlySet<string> = new Set(['register-hello', 'register', 'keep', 'look-up'])

/** In short what a datagram is, with what the server is to carry. */
function nameOf(datagram: Uint8Array): string {
  if (datagram[0] === PAIR_KIND) return readHead(datagram)?.type ?? 'unknown'
  const message = datagram[0] === SIGNAL_KIND ? readSignalDatagram(datagram) : undefined
  if (message === undefined) return 'unknown'
  return 'box' in message ? `${message.t} ${readHead(message.box)?.type}` : message.t
}

/** Keeps what is sent, and loses some of it. */
class RecordedPort extends UdxPort {
  readonly sent: Buffer[] = []
  readonly #isLost: (name: string) => boolean

  constructor(isLost: (name: string) => boolean) {
    super({ host: '127.0.0.1' })
    this.#isLost = isLost
  }

  override send(message: Uint8Array, to: Address): void {
    const name = nameOf(message)
    if (this.#isLost(name)) return
    this.sent.push(Buffer.from(message))
    super.send(message, to)
  }

  get names(): string[] {
    return this.sent.map(nameOf)
  }
}

/** An address that leads nowhere: that of a home behind a NAT, seen from another one. */
const ELSEWHERE: NetworkInterfaceInfo = {
  ...{ address: '192.168.99.10', netmask: '255.255.255.0', family: 'IPv4', mac: '', internal: false },
  cidr: '192.168.99.10/24',
}

/** Camera and storage device, connected through the server over UDP, or over TLS. */
async function connected(path: 'relay-udp' | 'relay-tls') {
  const rig = await Rig.start()
  const isDirect = (name: string) => name === 'probe' || name === 'probe-answer' || name === 'open'
  const isLost = (name: string) => isDirect(name) || (path === 'relay-tls' && name === 'relay')
  const ports = { camera: new RecordedPort(isLost), storage: new RecordedPort(isLost) }
  const identity = createIdentity()
  const storage = await startStorage({
    ...{ server: rig.addresses(), enrolled: [identity], udx: ports.storage },
    interfaces: () => ({ eth0: [ELSEWHERE] }),
  })
  await waitFor(() => storage.link.status().registration?.state === 'registered', 'the registration')
  const uid = storage.identity.publicKey
  const server = new CameraServer({
    ...{ port: ports.camera, server: rig.addresses(), storage: uid, clock, random },
    tags: { pair: new PairKeys(identity, uid).lookupTag },
  })
  const camera = startCamera({ identity, storage: uid, server, udx: ports.camera })
  const [near, far] = await Promise.all([camera.nextChannel(0), storage.nextChannel(0)])
  assert.is(near.path, path)
  const close = async () => {
    await camera.close()
    await storage.close()
    await rig.close()
  }
  return { rig, ports, camera, storage, near, far, close }
}

interface Stranger {
  readonly socket: Socket
  readonly heard: Uint8Array[]
}

async function openStranger(): Promise<Stranger> {
  const socket = createSocket('udp4')
  const heard: Uint8Array[] = []
  socket.on('message', (datagram) => heard.push(datagram))
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return { socket, heard }
}

/** What each recorded request brought the stranger, by its name. */
async function replay({ socket, heard }: Stranger, recorded: readonly Uint8Array[], to: Address) {
  const answers = new Map<string, string[]>()
  for (const request of recorded) {
    const before = heard.length
    socket.send(request, to.port, to.host)
    await pause(10)
    const got = heard.slice(before)
    const bytes = got.reduce((sum, datagram) => sum + datagram.byteLength, 0)
    assert.ok(bytes <= request.byteLength, `${bytes} bytes for the ${request.byteLength} of a ${nameOf(request)}`)
    const name = nameOf(request)
    answers.set(name, [...(answers.get(name) ?? []), ...got.map(nameOf)])
  }
  return answers
}

for (const [path, carried] of [
  ['relay-udp', ['carry punch', 'carry open', 'relay']],
  ['relay-tls', ['carry punch', 'carry open', 'carry relay-call']],
] as const) {
  test(`what was sent to connect on ${path} does nothing when it is sent again`, async () => {
    const { rig, ports, camera, storage, near, far, close } = await connected(path)
    const stranger = await openStranger()
    try {
      // The last probe that a request to punch has brought.
      await pause(PUNCH_BACK_SCHEDULE_MS.at(-1) ?? 0)
      const recorded = [...ports.camera.sent]
      const owned = [...ports.storage.sent]
      for (const name of [...carried, 'look-up']) assert.ok(ports.camera.names.includes(name), `no ${name} recorded`)
      assert.ok(ports.storage.names.includes('register'), 'no register recorded')
      const before = { joined: rig.server.counters.relayUdp.joined, ...(await rig.server.stats()) }
      const registration = rig.server.counters.registered
      const reached = rig.server.counters.carried

      for (let time = 0; time < TIMES; time += 1) {
        const answers = await replay(stranger, [...recorded, ...owned], rig.udp)
        for (const name of ['carry punch', 'carry open', 'carry relay-call']) {
          assert.equal(answers.get(name) ?? [], [], `${name} is answered with silence`)
        }
        assert.ok((answers.get('register') ?? []).every((answer) => answer === 'challenge'))
        assert.ok((answers.get('relay') ?? []).every((answer) => answer === 'challenge'))
        // In their own names: what is answered goes to them.
        for (const [port, datagrams] of [
          [ports.camera, recorded],
          [ports.storage, owned],
        ] as const) {
          for (const datagram of datagrams) port.send(datagram, rig.udp)
        }
        await pause(QUIET_MS)
      }

      assert.ok(rig.server.counters.carried > reached, 'the server has carried some of it to the storage device')
      const said = ports.storage.sent
        .slice(owned.length)
        .filter((datagram) => !owned.some((one) => one.equals(datagram)))
      const answers = said.map(nameOf).filter((name) => !OF_ITS_OWN_ACCORD.has(name))
      assert.equal(answers, [], 'the storage device has said nothing to any of it')
      assert.not.ok(stranger.heard.map(nameOf).includes('probe'), 'nobody is punched to')
      const after = { joined: rig.server.counters.relayUdp.joined, ...(await rig.server.stats()) }
      assert.equal(
        [after.uids, after.keys, after.relays, after.joined],
        [before.uids, before.keys, before.relays, before.joined],
      )
      assert.is(rig.server.counters.registered, registration)
      assert.equal([camera.channels.length, storage.channels.length], [1, 1])
      const message = nextMessage(far)
      near.send(new Uint8Array(Buffer.from('still here')))
      assert.is(await message, 'still here')
    } finally {
      stranger.socket.close()
      await close()
    }
  })
}

test.run()
