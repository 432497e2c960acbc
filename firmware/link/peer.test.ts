import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Datagram } from './datagram-body.ts'
import { createIdentity } from './identity.ts'
import { Peer, PeerTable } from './peer.ts'
import { FreshnessSource, ReplayWindow } from './replay.ts'
import { randomBytes } from './sodium.ts'

const [camera, storage, stranger] = [createIdentity(), createIdentity(), createIdentity()]
const probe: Datagram = { type: 'probe', tx: '0011223344556677', candidate: 1, sentUs: 5 }

function pair(boot = 1, window = new ReplayWindow()) {
  const atStorage = new Peer(storage, camera.publicKey, new FreshnessSource(1), window)
  const atCamera = new Peer(camera, storage.publicKey, new FreshnessSource(boot))
  const table = new PeerTable()
  table.add(atStorage)
  return { atCamera, atStorage, table }
}

test('found, opened, once', () => {
  const { atCamera, atStorage, table } = pair()
  const bytes = atCamera.seal(probe)
  const heard = table.open(bytes)
  assert.is(heard?.peer, atStorage)
  assert.equal(heard?.message, probe)
  assert.is(table.open(bytes), undefined)
  assert.ok(table.open(atCamera.seal(probe)))
})

test('its own datagram thrown back is not the other side’s', () => {
  const { atCamera } = pair()
  const table = new PeerTable()
  table.add(atCamera)
  assert.is(table.open(atCamera.seal(probe)), undefined)
})

test('a recording from before the camera’s last restart is silence', () => {
  const window = new ReplayWindow()
  const before = pair(1, window)
  const recorded = before.atCamera.seal(probe)
  const after = pair(2, window)
  assert.ok(after.table.open(after.atCamera.seal(probe)))
  assert.is(after.table.open(recorded), undefined)
})

test('strangers and removed peers are not heard', () => {
  const { atCamera, atStorage, table } = pair()
  const theirs = new Peer(stranger, storage.publicKey, new FreshnessSource(1))
  assert.is(table.open(theirs.seal(probe)), undefined)
  // A stranger who saw the tag on the wire cannot fill in the rest.
  const forged = theirs.seal(probe)
  forged.set(atCamera.keys.shortTag, 3)
  assert.is(table.open(forged), undefined)
  table.remove(atStorage)
  assert.is(table.open(atCamera.seal(probe)), undefined)
})

test('a datagram of our kind with nobody’s tag is nobody’s', () => {
  const { table } = pair()
  for (let count = 0; count < 1000; count++) {
    assert.is(table.open(Uint8Array.from([0x48, 1, 1, ...randomBytes(245)])), undefined)
  }
})

test.run()
