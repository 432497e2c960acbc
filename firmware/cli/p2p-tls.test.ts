/** `--p2p-tls`: a server whose UDP port nobody reaches, and which by TLS is where only this setting says; real programs. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatSetupCode, parseSetupCode } from '../link/setup-code.ts'
import { type CameraStatus, TestHome } from './test-home.ts'

/** The discard port: nobody answers, neither there nor three above. */
const NOBODY = { host: '127.0.0.1', port: 9 }

interface ServerStatus {
  readonly tlsListen: { readonly port: number }
}

interface StorageStatus {
  readonly p2p: { readonly state: string }
}

test('storage device and camera find each other by a server that they reach by TLS alone', async () => {
  const home = await TestHome.create()
  try {
    const server = await home.startServer()
    const { tlsListen } = (await server.call('status')) as ServerStatus
    const flags = ['--p2p', `${NOBODY.host}:${NOBODY.port}`, '--p2p-tls', `127.0.0.1:${tlsListen.port}`]
    const storage = await home.startStorage(flags)
    for (let waited = 0; waited < 300; waited += 1) {
      const { p2p } = (await storage.call('status')) as StorageStatus
      if (p2p.state === 'registered') break
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    assert.is(((await storage.call('status')) as StorageStatus).p2p.state, 'registered')
    // Without any address of the storage device: only the server can say.
    const { setupCode } = (await storage.call('pair', { name: 'camera' })) as { setupCode: string }
    const { storage: key, token, server: pinned } = parseSetupCode(setupCode)
    assert.equal([pinned?.host, pinned?.port], [NOBODY.host, NOBODY.port])
    const code = formatSetupCode({
      storage: key,
      token,
      addresses: [],
      ...(pinned === undefined ? {} : { server: pinned }),
    })
    await home.startCamera('camera', 'fake:fps=10,gop=5,size=128x64', ['--p2p-tls', `127.0.0.1:${tlsListen.port}`])
    await home.program('camera').call('setup', { code, name: 'camera' })
    await home.until('camera', 'storing', ({ seq }: CameraStatus) => seq?.acked > 2)
    const counters = ((await server.call('status')) as { counters: { found: number; tls: { accepted: number } } })
      .counters
    assert.ok(counters.found > 0 && counters.tls.accepted >= 2, JSON.stringify(counters))
  } finally {
    await home.close()
  }
})

test.run()
