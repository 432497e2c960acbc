import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { shortId } from '../link/uid.ts'
import { fromHex } from '../wire/bytes.ts'
import { isHomewardError } from '../wire/errors.ts'
import { describeCameras, describeVerify, isSound, parseMoment, table } from './storage-text.ts'

test('moments', () => {
  const noon = Date.UTC(2026, 4, 1, 12) * 1000
  const cases: [string, number][] = [
    ['2026-05-01T12:00:00Z', noon],
    ['2026-05-01 12:00', noon],
    ['2026-05-01T14:00:00+02:00', noon],
    ['2026-05-01T12:00:00.5Z', noon + 500_000],
    ['2026-05-01', noon - 12 * 3600e6],
  ]
  for (const [text, us] of cases) assert.is(parseMoment('--from', text), us, text)
  for (const text of ['', 'noon', '12:00', '2026-13-01T00:00:00Z', '1714564800']) {
    assert.throws(
      () => parseMoment('--from', text),
      (error: unknown) => isHomewardError(error, 'USAGE') && error.message.includes('--from'),
    )
  }
})

test('a table lines up', () => {
  assert.equal(
    table([
      ['a', 'b'],
      ['long', 'c'],
    ]),
    ['a     b', 'long  c'],
  )
})

test('cameras that are relayed say why', () => {
  const camera = { uid: 'ABCDEFGH', folder: 'x', forgottenAt: null, bytes: 0, fragments: 0, lastAt: null }
  const cameras = [
    { ...camera, name: 'Door', path: 'lan', why: 'in the same network' },
    { ...camera, name: 'Barn', path: 'relay-udp', why: 'relayed by the P2P server, because it is far away' },
    { ...camera, name: 'Old one', path: 'relay-tls' },
  ]
  const lines = describeCameras({ cameras, refusals: [] }).split('\n')
  assert.is(lines.length, 4)
  assert.is(lines[3], 'Barn: relayed by the P2P server, because it is far away.')
})

test('a report names what is wrong, and a gap is not wrong', () => {
  const sound = { deep: true, files: 1, fragments: 2, bytes: 3, damaged: [], missing: [], unindexed: [], gaps: [] }
  const outages = [{ reason: 'camera-off', fromUs: 0, toUs: 60_000_000 }]
  const camera = 'ab'.repeat(32)
  const short = shortId(fromHex(camera))
  const clean = { ...sound, accounts: [{ camera, counts: { stored: 2, 'ring-full': 3 }, outages }] }
  assert.match(describeVerify(clean), `Camera ${short}: 2 stored, 3 ring-full`)
  assert.match(
    describeVerify(clean),
    `Camera off: camera ${short} 1970-01-01T00:00:00.000Z to 1970-01-01T00:01:00.000Z`,
  )
  assert.ok(isSound({ ...clean, gaps: [{ log: 'l', first: 1, last: 2, reason: 'ring-full' }] }))
  const damaged = [{ log: 'l', first: 1, last: 1, path: 'x.mp4', why: 'checksum' }]
  assert.not.ok(isSound({ ...clean, damaged }))
  assert.match(describeVerify({ ...clean, damaged }), /Damaged: x\.mp4 fragment 1: checksum/)
})

test.run()
