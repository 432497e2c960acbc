// time-out: 120 s
/** The search for a port with real devices, sockets and a real server: one of the devices is seen at two addresses. */
import { readdir } from 'node:fs/promises'
import type { NetworkInterfaceInfo } from 'node:os'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Address } from '../link/address.ts'
import { CameraServer } from '../link/camera-server.ts'
import { SIGNAL_KIND } from '../link/datagram-port.ts'
import { createIdentity } from '../link/identity.ts'
import { nextMessage, startCamera, startStorage, waitFor } from '../link/link-devices.ts'
import { PairKeys } from '../link/pair.ts'
import { ServerAddresses } from '../link/server-addresses.ts'
import { UdxPort } from '../link/udx-port.ts'
import { RealClock } from '../platform/clock-real.ts'
import { realRandom } from '../platform/random.ts'
import { MemoryRegistry } from './registry/memory.ts'
import { P2pServer } from './server.ts'

const clock = new RealClock()

/** As behind a NAT: nothing to the other device gets through, and with `symmetric` its `second` is told another address. */
class NattedPort extends UdxPort {
  readonly #fork: UdxPort | undefined
  readonly #second: Address
  readonly blocked = new Set<number>()

  constructor(symmetric: boolean, second: Address) {
    super({ host: '127.0.0.1' })
    this.#second = second
    this.#fork = symmetric ? new UdxPort({ host: '127.0.0.1' }) : undefined
  }

  override send(message: Uint8Array, to: Address): void {
    if (this.blocked.has(to.port)) return
    if (this.#fork !== undefined && to.port === this.#second.port) this.#fork.send(message, to)
    else super.send(message, to)
  }

  override listen(kind: number, handler: (message: Uint8Array, from: Address) => void): () => void {
    if (kind === SIGNAL_KIND) this.#fork?.listen(kind, handler)
    return super.listen(kind, handler)
  }

  override async close(): Promise<void> {
    await Promise.all([super.close(), this.#fork?.close()])
  }
}

/** An address that leads nowhere: that of a home behind a NAT, seen from another one. */
const ELSEWHERE: NetworkInterfaceInfo = {
  ...{ address: '192.168.99.10', netmask: '255.255.255.0', family: 'IPv4', mac: '', internal: false },
  cidr: '192.168.99.10/24',
}

const descriptors = async () => (await readdir('/proc/self/fd')).length

for (const symmetric of ['camera', 'storage'] as const) {
  test(`the ${symmetric} behind a symmetric NAT: relayed, then punched from a socket of its own`, async () => {
    const identity = createIdentity()
    const [port, second] = [new UdxPort({ host: '127.0.0.1' }), new UdxPort({ host: '127.0.0.1' })]
    const registry = new MemoryRegistry(clock)
    const server = new P2pServer({ port, second, streams: port, identity, clock, random: realRandom, registry })
    server.start()
    const { host } = port.local
    const place = { host, port: port.local.port, key: identity.publicKey }
    const addresses = () => {
      const made = new ServerAddresses(place, clock)
      made.learnTlsPort(second.local.port)
      return made
    }
    const camera = createIdentity()
    const udx = new NattedPort(symmetric === 'camera', second.local)
    const storageUdx = new NattedPort(symmetric === 'storage', second.local)
    udx.blocked.add(storageUdx.local.port)
    storageUdx.blocked.add(udx.local.port)
    const interfaces = () => ({ eth0: [ELSEWHERE] })
    const storage = await startStorage({ server: addresses(), enrolled: [camera], udx: storageUdx, interfaces })
    await waitFor(() => storage.link.status().nat !== undefined, 'the NAT of the storage device')
    const before = await descriptors()

    const uid = storage.identity.publicKey
    const tags = { pair: new PairKeys(camera, uid).lookupTag }
    const help = new CameraServer({
      ...{ port: udx, server: addresses(), storage: uid, tags, clock, random: realRandom, interfaces },
    })
    const device = startCamera({ identity: camera, storage: uid, server: help, udx, interfaces })
    assert.is((await device.nextChannel(0)).path, 'relay-udp')
    const channel = await device.nextChannel(1)
    assert.is(channel.path, 'punched')
    const other = await storage.nextChannel(1)
    other.send(Buffer.from('there'))
    assert.is(await nextMessage(channel), 'there')
    const { lastAttempt } = device.link.status()
    const nat = { camera: 'cone', storage: 'cone', [symmetric]: 'symmetric' }
    assert.equal(lastAttempt?.nat, nat)
    assert.is(lastAttempt?.search.result, 'found')
    assert.match(lastAttempt?.why ?? '', 'found by a search')

    // What is left of the 256 is the one that carries the channel.
    let open = 0
    await waitFor(() => {
      void descriptors().then((count) => {
        open = count
      })
      return open > 0 && open <= before + 2
    }, 'the end of the other sockets')
    await device.close()
    await storage.close()
    await server.close()
    await Promise.all([port.close(), second.close()])
    assert.ok((await descriptors()) < before, 'and after the end not even that one')
  })
}

test.run()
