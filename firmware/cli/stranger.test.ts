// time-out: 120 s
/** A UID lets nobody in and tells nobody anything: strangers against the real programs, over real sockets. */
import { createSocket, type Socket } from 'node:dgram'
import { readdir } from 'node:fs/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Address } from '../link/address.ts'
import { readHead } from '../link/datagram.ts'
import { NO_RELAY } from '../link/datagram-body.ts'
import { buildEnrol } from '../link/enrolment.ts'
import { createIdentity } from '../link/identity.ts'
import { NoiseInitiator } from '../link/noise.ts'
import { Peer } from '../link/peer.ts'
import { FreshnessSource } from '../link/replay.ts'
import { formatSetupCode, parseSetupCode } from '../link/setup-code.ts'
import { signalDatagram } from '../link/signal-port.ts'
import { lookUpKey } from '../link/signal-proof.ts'
import { UdpForwarder } from '../link/udp-forwarder.ts'
import { parseUid } from '../link/uid.ts'
import { realRandom } from '../platform/random.ts'
import { TestHome } from './test-home.ts'

const SOURCE = 'fake:fps=30,gop=10,size=128x64,bitrate=400000'
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** A socket that counts what comes back. */
class Stranger {
  readonly heard: Buffer[] = []
  readonly #socket: Socket = createSocket('udp4')

  constructor() {
    this.#socket.on('message', (message) => this.heard.push(message))
    this.#socket.bind(0, '127.0.0.1')
  }

  send(message: Uint8Array, to: Address): void {
    this.#socket.send(message, to.port, to.host)
  }

  close(): void {
    this.#socket.close()
  }
}

interface StorageStatus {
  readonly uid: string
  readonly listen: Address
}

test('whoever knows the UID and nothing else gets not one datagram, and leaves no trace', async () => {
  const home = await TestHome.create()
  const stranger = new Stranger()
  try {
    const server = await home.startServer()
    const { listen } = (await server.call('status')) as { listen: Address }
    const storage = await home.startStorage()
    const status = (await storage.call('status')) as StorageStatus
    const uid = parseUid(status.uid)
    const own = createIdentity()
    const peer = new Peer(own, uid, new FreshnessSource(1))
    const offer = { camera: own, storage: uid, tx: '0123456789abcdef', name: 'Mallory', fresh: { boot: 1, seq: 1 } }
    for (let round = 0; round < 5; round++) {
      stranger.send(peer.seal({ type: 'probe', tx: '0123456789abcdef', candidate: 0, sentUs: 1 }), status.listen)
      const { message: noise } = new NoiseInitiator(own, uid)
      stranger.send(
        peer.seal({ type: 'open', attempt: 'fedcba9876543210', path: 'lan', stream: 77, relay: NO_RELAY, noise }),
        status.listen,
      )
      stranger.send(buildEnrol({ ...offer, token: realRandom.bytes(16) }), status.listen)
      for (const tag of [uid.subarray(0, 16), peer.keys.lookupTag, realRandom.bytes(16)]) {
        const nonce = realRandom.bytes(16)
        stranger.send(signalDatagram({ t: 'look-up', nonce, key: lookUpKey(uid, tag) }), listen)
        stranger.send(signalDatagram({ t: 'look-up', nonce, key: tag.slice() }), listen)
      }
      for (const kind of [0x48, 0x53, 0xff, 0x00]) {
        const garbage = realRandom.bytes(256)
        garbage[0] = kind
        stranger.send(garbage, status.listen)
        stranger.send(garbage, listen)
      }
      await pause(200)
    }
    assert.is(stranger.heard.length, 0, 'silence')
    const { cameras } = (await storage.call('cameras')) as { cameras: unknown[] }
    assert.equal(cameras, [])
    assert.equal((await readdir(home.disk)).sort(), ['.homeward', 'homeward.json'])
  } finally {
    stranger.close()
    await home.close()
  }
})

test('what a paired camera sent is worth nothing to whoever recorded it; a forgotten camera is a stranger', async () => {
  const home = await TestHome.create()
  const stranger = new Stranger()
  let forwarder: UdpForwarder | undefined
  try {
    await home.startServer()
    const storage = await home.startStorage()
    const { listen } = (await storage.call('status')) as StorageStatus
    forwarder = await UdpForwarder.start(listen)
    const recorded: Uint8Array[] = []
    const { seen } = forwarder
    forwarder.filter = (message, direction) => {
      // A probe from before the enrolment was heard by nobody: delivered now, it would come late, not again.
      const unheard = readHead(message)?.type === 'probe' && seen.down === 0
      if (direction === 'up' && !unheard && recorded.length < 500) recorded.push(Uint8Array.from(message))
      return false
    }
    const { setupCode } = (await storage.call('pair', { name: 'camera' })) as { setupCode: string }
    const { storage: key, token } = parseSetupCode(setupCode)
    const code = formatSetupCode({ storage: key, token, addresses: [forwarder.address] })
    await home.startCamera('camera', SOURCE)
    await home.program('camera').call('setup', { code, name: 'camera' })
    const before = await home.until('camera', 'storing', ({ seq }) => seq.acked > 3)

    assert.ok(recorded.length > 20, 'enrolment, probes, opens and a channel were recorded')
    for (const message of recorded) stranger.send(message, listen)
    await pause(500)
    assert.equal(
      stranger.heard.map((message) => message.subarray(0, 3).toString('hex')),
      [],
      'no answer to a replay',
    )
    const after = await home.until('camera', 'going on', ({ seq }) => seq.acked > before.seq.acked + 3)
    assert.is(after.seq.lost, 0)

    await storage.call('forget', { camera: 'camera' })
    await home.until('camera', 'cut off', ({ state }) => state !== 'connected')
    const clips = await home.clips()
    const acked = (await home.status('camera')).seq.acked
    const answers = forwarder.seen.down
    await pause(4000)
    assert.is((await home.status('camera')).seq.acked, acked, 'nothing is taken from it')
    assert.is(forwarder.seen.down, answers, 'nothing is said to it')
    assert.equal(await home.clips(), clips, 'its footage stays')

    await home.pair('camera')
    const { seq } = await home.drain('camera')
    assert.is(seq.lost, 0, 'what it filmed meanwhile arrives')
  } finally {
    stranger.close()
    forwarder?.close()
    await home.close()
  }
})

interface LookedUp {
  readonly state: string
  readonly lastAttempt?: { readonly lookUp: { readonly result: string } }
}

test('a forgotten camera is no longer told where the storage device is, and its footage stays', async () => {
  const home = await TestHome.create()
  try {
    await home.startServer()
    const storage = await home.startStorage()
    await home.startCamera('camera', SOURCE)
    await home.pair('camera')
    await home.until('camera', 'storing', ({ seq }) => seq.acked > 3)
    const { cameras } = (await storage.call('cameras')) as { cameras: { connected: boolean; fragments: number }[] }
    assert.equal([cameras.length, cameras[0]?.connected], [1, true])

    const forgotten = (await storage.call('forget', { camera: 'camera' })) as { folder: string }
    const silent = (status: LookedUp) => status.state !== 'connected' && status.lastAttempt?.lookUp.result === 'failed'
    await home.until('camera', 'left without an answer', (status) => silent(status as LookedUp), 30_000)
    const after = (await storage.call('cameras')) as { cameras: { connected: boolean; forgottenAt: string | null }[] }
    assert.equal([after.cameras[0]?.connected, typeof after.cameras[0]?.forgottenAt], [false, 'string'])
    assert.ok(
      (await home.clips()).some((clip) => clip.includes(`/${forgotten.folder}/`)),
      'its footage stays',
    )
    const { damaged, missing, unindexed } = await home.verify()
    assert.equal([damaged, missing, unindexed], [[], [], []])

    await home.pair('camera')
    const { seq } = await home.drain('camera')
    assert.equal([seq.lost, seq.acked], [0, seq.captured], 'welcome again, with all it filmed meanwhile')
  } finally {
    await home.close()
  }
})

test.run()
