// time-out: 120 s
/**
 * A camera streams to its storage device over udx, and a stranger does what he can from outside: floods the device's port,
 * and resets the stream. HOMEWARD_FLOOD_S: how long the flood lasts (3).
 */
import { fork } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Address } from '../link/address.ts'
import { formatSetupCode, parseSetupCode } from '../link/setup-code.ts'
import { UdpForwarder } from '../link/udp-forwarder.ts'
import type { Flooded } from './flooder-fixture.ts'
import { type CameraStatus, frameFaults, TestHome } from './test-home.ts'

const FPS = 30
const GOP = 10
const SOURCE = `fake:fps=${FPS},gop=${GOP},size=128x64,bitrate=2000000`
const FLOODER = fileURLToPath(new URL('flooder-fixture.ts', import.meta.url))
const FLOOD_PER_SECOND = 20_000
const FLOOD_MS = Number(process.env.HOMEWARD_FLOOD_S ?? 3) * 1000
/** Three fragments in a second are captured: with this pause nobody is cut off. */
const ACK_PAUSE_MAX_MS = 1_500
const POLL_MS = 20
const FLOWS_WITHIN_MS = 5_000
/** Flags of libudx: DESTROY. */
const UDX_DESTROY = 0x10

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

interface Status extends CameraStatus {
  readonly forMs?: number
}

interface Scene {
  readonly home: TestHome
  readonly listen: Address
  readonly forwarder: UdpForwarder
  status(): Promise<Status>
}

/** A camera that streams through a forwarder, which passes UDP only. */
async function streaming(use: (scene: Scene) => Promise<void>): Promise<void> {
  const home = await TestHome.create()
  let forwarder: UdpForwarder | undefined
  try {
    await home.startServer()
    const storage = await home.startStorage()
    const { listen } = (await storage.call('status')) as { listen: Address }
    forwarder = await UdpForwarder.start(listen)
    const { setupCode } = (await storage.call('pair', { name: 'camera' })) as { setupCode: string }
    const { storage: key, token } = parseSetupCode(setupCode)
    await home.startCamera('camera', SOURCE)
    const code = formatSetupCode({ storage: key, token, addresses: [forwarder.address] })
    await home.program('camera').call('setup', { code, name: 'camera' })
    await home.until('camera', 'storing', ({ seq }) => seq?.acked > 3)
    await use({ home, listen, forwarder, status: async () => (await home.status('camera')) as Status })
  } finally {
    forwarder?.close()
    await home.close()
  }
}

/** Stops capturing; every frame of the one run is stored once. */
async function isExact(home: TestHome): Promise<void> {
  const { seq } = await home.drain('camera')
  assert.equal([seq.acked, seq.lost], [seq.captured, 0])
  const verified = await home.verify()
  assert.equal([verified.damaged, verified.missing, verified.unindexed, verified.gaps], [[], [], [], []])
  const { counts, faults } = frameFaults(await home.storedFrames())
  assert.equal(faults, [])
  const [stored = 0] = counts.values()
  const most = seq.captured * GOP
  assert.ok(counts.size === 1 && stored > most - GOP && stored <= most, `${stored} frames of ${seq.captured} fragments`)
}

test(`${FLOOD_PER_SECOND} datagrams of garbage a second do not stop a stream`, async () => {
  await streaming(async ({ home, listen, forwarder, status }) => {
    assert.ok(forwarder.seen.up > 10, 'the stream goes over UDP')
    const before = await status()
    const flooder = fork(FLOODER, [`${listen.port}`, `${FLOOD_PER_SECOND}`, `${FLOOD_MS}`], {
      execArgv: ['--import', 'tsx'],
    })
    let flooded: Flooded | undefined
    flooder.on('message', (message) => {
      flooded = message as Flooded
    })
    const over = once(flooder, 'exit')
    let last = { acked: before.seq.acked, atMs: performance.now() }
    let longestMs = 0
    while (flooded === undefined && flooder.exitCode === null) {
      await pause(POLL_MS)
      const { seq } = await status()
      const nowMs = performance.now()
      longestMs = Math.max(longestMs, nowMs - last.atMs)
      if (seq.acked > last.acked) last = { acked: seq.acked, atMs: nowMs }
    }
    await over
    const after = await status()
    const told = `${flooded?.sent} datagrams in ${FLOOD_MS} ms; ${after.seq.acked - before.seq.acked} fragments ACKed of ${
      after.seq.captured - before.seq.captured
    }, the longest pause ${Math.round(longestMs)} ms`
    process.stdout.write(`${told}\n`)
    assert.ok((flooded?.sent ?? 0) >= (FLOOD_PER_SECOND * FLOOD_MS * 0.8) / 1000, told)
    assert.is(flooded?.heard, 0, 'not one answer')
    assert.ok(longestMs <= ACK_PAUSE_MAX_MS, told)
    assert.is(after.state, 'connected')
    assert.ok((after.forMs ?? 0) > FLOOD_MS, `still the same channel, for ${after.forMs} ms`)
    await isExact(home)
  })
})

test('a stream that a stranger resets is followed by another within 5 s', async () => {
  await streaming(async ({ home, listen, forwarder, status }) => {
    // Whoever sees the packets knows the id of the stream, and how far its count of packets is.
    let seen = new Uint8Array(20)
    forwarder.filter = (message, direction) => {
      if (direction === 'up' && message[0] === 0xff && message.byteLength > 20) seen = message.slice(0, 20)
      return false
    }
    await pause(1_000)
    const stranger = createSocket('udp4')
    for (let reset = 0; reset < 3; reset += 1) {
      const before = await status()
      const resetMs = performance.now()
      const { captured } = before.seq
      const isNew = ({ forMs = 0 }: Status) => forMs < performance.now() - resetMs
      // The one of them that is next in turn ends it.
      const next = new DataView(seen.buffer).getUint32(12, true)
      for (let ahead = 0; ahead < 64; ahead += 1) stranger.send(resetLike(seen, next + ahead), listen.port, '127.0.0.1')
      const flows = (status: CameraStatus) => status.state === 'connected' && isNew(status as Status)
      await home.until('camera', 'on another channel', flows, FLOWS_WITHIN_MS)
      await home.until('camera', 'ACKed again', ({ seq }) => seq.acked > captured, FLOWS_WITHIN_MS)
      const tookMs = Math.round(performance.now() - resetMs)
      process.stdout.write(`reset ${reset + 1}: flows again after ${tookMs} ms\n`)
      assert.ok(tookMs <= FLOWS_WITHIN_MS, `flows again after ${tookMs} ms`)
      await pause(500)
    }
    stranger.close()
    await isExact(home)
  })
})

function resetLike(header: Uint8Array, seq: number): Uint8Array {
  const packet = header.slice()
  packet[2] = UDX_DESTROY
  new DataView(packet.buffer).setUint32(12, seq, true)
  return packet
}

test.run()
