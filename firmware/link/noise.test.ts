import { Duplex } from 'node:stream'
import SecretStream from '@hyperswarm/secret-stream'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { NOISE_OPEN_BYTES, NOISE_OPENED_BYTES } from './datagram-body.ts'
import { createIdentity } from './identity.ts'
import { NoiseInitiator, respondNoise } from './noise.ts'

const [camera, storage, stranger] = [createIdentity(), createIdentity(), createIdentity()]

test('one message each way, the same keys on both sides', () => {
  const initiator = new NoiseInitiator(camera, storage.publicKey)
  assert.is(initiator.message.byteLength, NOISE_OPEN_BYTES)
  const response = respondNoise(storage, camera.publicKey, initiator.message)
  assert.is(response?.reply.byteLength, NOISE_OPENED_BYTES)
  const keys = initiator.finish(response?.reply ?? new Uint8Array(0))
  assert.equal(keys?.tx, response?.keys.rx)
  assert.equal(keys?.rx, response?.keys.tx)
  assert.equal(keys?.hash, response?.keys.hash)
  assert.not.equal(keys?.tx, keys?.rx)
  assert.equal(keys?.remotePublicKey, storage.publicKey)
  assert.equal(response?.keys.remotePublicKey, camera.publicKey)
})

test('storage answers nobody but the camera it expects', () => {
  const { message } = new NoiseInitiator(stranger, storage.publicKey)
  assert.is(respondNoise(storage, camera.publicKey, message), undefined)
  assert.ok(respondNoise(storage, stranger.publicKey, message))
})

test('a message for another storage device is of no use to this one', () => {
  const { message } = new NoiseInitiator(camera, stranger.publicKey)
  assert.is(respondNoise(storage, camera.publicKey, message), undefined)
})

test('the camera believes nobody but the storage device', () => {
  const initiator = new NoiseInitiator(camera, storage.publicKey)
  const other = respondNoise(stranger, camera.publicKey, new NoiseInitiator(camera, stranger.publicKey).message)
  assert.is(initiator.finish(other?.reply ?? new Uint8Array(0)), undefined)
})

test('only the first reply counts', () => {
  const initiator = new NoiseInitiator(camera, storage.publicKey)
  const response = respondNoise(storage, camera.publicKey, initiator.message)
  assert.is(initiator.finish(new Uint8Array(NOISE_OPENED_BYTES)), undefined)
  assert.is(initiator.finish(response?.reply ?? new Uint8Array(0)), undefined)
})

test('a message is left as it was', () => {
  const initiator = new NoiseInitiator(camera, storage.publicKey)
  const sent = Uint8Array.from(initiator.message)
  const response = respondNoise(storage, camera.publicKey, initiator.message)
  assert.equal(Uint8Array.from(initiator.message), sent)
  const reply = Uint8Array.from(response?.reply ?? [])
  initiator.finish(response?.reply ?? new Uint8Array(0))
  assert.equal(Uint8Array.from(response?.reply ?? []), reply)
})

test('damaged and truncated messages are refused on both sides', () => {
  for (let at = 0; at < NOISE_OPEN_BYTES; at++) {
    const { message } = new NoiseInitiator(camera, storage.publicKey)
    const bent = Uint8Array.from(message)
    bent[at] = (bent[at] ?? 0) ^ 1
    assert.is(respondNoise(storage, camera.publicKey, bent), undefined, `byte ${at}`)
    assert.is(respondNoise(storage, camera.publicKey, message.subarray(0, at)), undefined)
  }
  for (let at = 0; at < NOISE_OPENED_BYTES; at++) {
    const initiator = new NoiseInitiator(camera, storage.publicKey)
    const reply = Uint8Array.from(respondNoise(storage, camera.publicKey, initiator.message)?.reply ?? [])
    reply[at] = (reply[at] ?? 0) ^ 1
    assert.is(initiator.finish(reply), undefined, `byte ${at}`)
  }
})

test('an ephemeral key of small order is refused', () => {
  const { message } = new NoiseInitiator(camera, storage.publicKey)
  const bent = Uint8Array.from(message)
  bent.fill(0, 0, 32)
  assert.is(respondNoise(storage, camera.publicKey, bent), undefined)
})

test('secret-stream takes the keys and carries bytes without a handshake of its own', async () => {
  const initiator = new NoiseInitiator(camera, storage.publicKey)
  const response = respondNoise(storage, camera.publicKey, initiator.message)
  const keys = initiator.finish(response?.reply ?? new Uint8Array(0))
  assert.ok(keys && response)
  if (keys === undefined || response === undefined) return
  const [left, right] = pipePair()
  const a = new SecretStream(true, left, { handshake: keys, enableSend: false })
  const b = new SecretStream(false, right, { handshake: response.keys, enableSend: false })
  const heard = new Promise<Uint8Array>((resolve) => b.on('data', resolve))
  a.write(Buffer.from('over the wire'))
  assert.is(Buffer.from(await heard).toString(), 'over the wire')
  a.destroy()
  b.destroy()
})

function pipePair(): [Duplex, Duplex] {
  const ends: Duplex[] = []
  const end = (other: number) =>
    new Duplex({
      read() {},
      write(chunk: Uint8Array, _encoding, done) {
        ends[other]?.push(chunk)
        done()
      },
    })
  const [a, b] = [end(1), end(0)]
  ends.push(a, b)
  return [a, b]
}

test.run()
