/** A camera without UDP, and the P2P server's TLS port through something that cuts and opens the way. */
import { connect, createServer, type Server, type Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CameraServer, LINE_ANSWERS_WITHIN_MS } from '../link/camera-server.ts'
import { ServerAddresses } from '../link/server-addresses.ts'
import { UdxPort } from '../link/udx-port.ts'
import { codeOf } from '../wire/error-code-fixture.ts'
import { clock, pause, Rig, random } from './rig-fixture.ts'

/** A UDP port that nobody answers on. */
const NOBODY = 9

/** Hands bytes on, for the connections that are not frozen. */
class Gate {
  readonly sockets: Socket[] = []
  readonly #server: Server
  readonly #to: number
  #port = 0

  constructor(to: number) {
    this.#to = to
    this.#server = createServer((socket) => {
      const inner = connect(this.#to, '127.0.0.1')
      for (const end of [socket, inner]) end.on('error', () => {})
      socket.pipe(inner)
      inner.pipe(socket)
      this.sockets.push(socket, inner)
    })
  }

  get port(): number {
    return this.#port
  }

  /** On the same port as before. */
  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve))
    this.#port = (this.#server.address() as { port: number }).port
  }

  /** Connections that stand are not told anything, and carry nothing: as when the network is another one. */
  freeze(): void {
    for (const socket of this.sockets) {
      socket.unpipe()
      socket.resume()
    }
  }

  async shut(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    if (this.#server.listening) await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }
}

async function scene() {
  const rig = await Rig.start()
  const storage = await rig.storage()
  const gate = new Gate(rig.tls.port)
  await gate.open()
  const server = new ServerAddresses({ host: '127.0.0.1', port: NOBODY, key: rig.identity.publicKey }, clock, {
    resolve: async (host) => [host],
    tls: { host: '127.0.0.1', port: gate.port },
  })
  const port = new UdxPort({ host: '127.0.0.1' })
  const help = new CameraServer({
    ...{ port, server, clock, random, storage: storage.identity.publicKey },
    tags: { pair: storage.tag },
  })
  help.start()
  const lookUp = async () => {
    const startMs = performance.now()
    const { serial } = await help.lookUp('pair', new AbortController().signal)
    assert.ok(serial > 0)
    return performance.now() - startMs
  }
  const close = async () => {
    await help.close()
    await port.close()
    await gate.shut()
    await rig.close()
  }
  return { gate, help, lookUp, close }
}

test('a line whose network is gone is replaced by a new one', async () => {
  const { gate, lookUp, close } = await scene()
  await lookUp()
  const connections = gate.sockets.length
  assert.ok((await lookUp()) < LINE_ANSWERS_WITHIN_MS, 'by the line that stands')
  assert.is(gate.sockets.length, connections)
  gate.freeze()
  const tookMs = await lookUp()
  assert.ok(tookMs >= LINE_ANSWERS_WITHIN_MS - 5 && tookMs < LINE_ANSWERS_WITHIN_MS + 1_000, `${tookMs} ms`)
  assert.is(gate.sockets.length, 2 * connections)
  await close()
})

test('a server that is being started is waited for, as long as the look-up lasts', async () => {
  const { gate, help, lookUp, close } = await scene()
  await gate.shut()
  const looking = lookUp()
  await pause(1_000)
  await gate.open()
  const tookMs = await looking
  assert.ok(tookMs >= 1_000 && tookMs < 2_500, `${tookMs} ms`)
  await gate.shut()
  const cancel = new AbortController()
  const cancelled = codeOf(help.lookUp('pair', cancel.signal))
  await pause(600)
  cancel.abort()
  assert.is(await cancelled, 'CANCELLED')
  await close()
})

test.run()
