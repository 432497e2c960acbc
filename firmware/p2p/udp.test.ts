/** The same over real sockets, in real time. */
import { networkInterfaces } from 'node:os'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { localCandidates } from '../link/candidates.ts'
import { createIdentity } from '../link/identity.ts'
import { lookUp } from '../link/look-up.ts'
import { Registration } from '../link/registration.ts'
import { ServerAddresses } from '../link/server-addresses.ts'
import { SignalPort } from '../link/signal-port.ts'
import { UdxPort } from '../link/udx-port.ts'
import { RealClock } from '../platform/clock-real.ts'
import { realRandom } from '../platform/random.ts'
import { MemoryRegistry } from './registry/memory.ts'
import { P2pServer } from './server.ts'

const clock = new RealClock()
const random = realRandom

async function until(isSo: () => boolean, what: string): Promise<void> {
  for (let step = 0; step < 300; step++) {
    if (isSo()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  assert.unreachable(`not within 3 s: ${what}`)
}

for (const [what, serverHost, deviceHost] of [
  ['IPv4', '127.0.0.1', '127.0.0.1'],
  ['a server on every address, by name', undefined, '127.0.0.1'],
  ['devices on every address', '127.0.0.1', undefined],
] as const) {
  test(`registration and look-up over real UDP: ${what}`, async () => {
    const open = (host: string | undefined) => new UdxPort(host === undefined ? {} : { host })
    const [serverPort, storagePort, cameraPort] = [open(serverHost), open(deviceHost), open(deviceHost)]
    const [serverIdentity, storage] = [createIdentity(), createIdentity()]
    const registry = new MemoryRegistry(clock)
    const server = new P2pServer({ port: serverPort, identity: serverIdentity, clock, random, registry })
    server.start()
    const host = serverHost === undefined ? 'localhost' : serverHost
    const pin = { host, port: serverPort.local.port, key: serverIdentity.publicKey }
    const tag = random.bytes(16)
    const [storageSignals, cameraSignals] = [new SignalPort(storagePort), new SignalPort(cameraPort)]
    const registration = new Registration({
      identity: storage,
      signals: storageSignals,
      server: new ServerAddresses(pin, clock),
      tags: () => [tag],
      candidates: () => localCandidates(networkInterfaces(), storagePort.local, { loopback: true }),
      clock,
      random,
    })
    try {
      registration.start()
      await until(() => registration.status().state === 'registered', 'registered')
      const signal = new AbortController().signal
      const addresses = new ServerAddresses(pin, clock)
      const located = await lookUp({
        signals: cameraSignals,
        server: addresses,
        storage: storage.publicKey,
        tag,
        clock,
        random,
        signal,
      })
      assert.equal(located.observed, { host: '127.0.0.1', port: storagePort.local.port })
      assert.equal(located.self, { host: '127.0.0.1', port: cameraPort.local.port })
      assert.ok(located.candidates.some(({ host }) => host === '127.0.0.1'))
      assert.is(server.counters.failed, 0)
    } finally {
      await registration.close()
      storageSignals.close()
      cameraSignals.close()
      await server.close()
      await Promise.all([serverPort.close(), storagePort.close(), cameraPort.close()])
    }
  })
}

test.run()
