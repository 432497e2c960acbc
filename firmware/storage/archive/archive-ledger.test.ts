import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { seededRandom } from '../../platform/random.ts'
import { encodeRecordHeader } from '../../wire/record.ts'
import {
  bytesOf,
  CAMERA,
  CAMERA_HEX,
  filesBelow,
  footage,
  headerOf,
  LOG,
  makeRig,
  ROOT,
  SECOND,
  T0,
} from './archive-fixture.ts'

const BROKEN = new Uint8Array([...encodeRecordHeader(headerOf({ seq: 12 })), 1, 2, 3, 4])

test('a gap counts once it is synced in the journal and flushed in the index', async () => {
  const { archive, events } = await makeRig()
  await archive.nameCamera(CAMERA, 'Door')
  events.length = 0
  const header = headerOf({ seq: 20, span: 11, kind: 'gap' })
  await archive.gap(CAMERA, header, 'ring-full', 'card 98 % full').then(() => events.push('answered'))
  const journal = '.homeward/journal.log'
  assert.equal(events, [`write ${journal}`, `datasync ${journal}`, 'index ledger meta ranges totals', 'answered'])
  assert.equal(archive.durable(CAMERA, LOG, 0, 99), [[20, 30]])
  const [span] = archive.timeline(CAMERA, T0, T0 + 60 * SECOND).ledger
  assert.equal([span?.reason, span?.note], ['ring-full', 'card 98 % full'])
  events.length = 0
  await archive.gap(CAMERA, header, 'ring-full')
  assert.equal(events, [], 'the same gap again is not entered again')
  await archive.close()
})

test('footage that arrives after its gap is stored after all', async () => {
  const { archive, store } = await makeRig()
  await archive.gap(CAMERA, headerOf({ seq: 3, span: 3, kind: 'gap' }), 'ring-full')
  assert.is(await store({ seq: 4 }), 'stored')
  assert.is(await store({ seq: 4 }), 'duplicate')
  assert.equal(archive.durable(CAMERA, LOG, 0, 99), [[3, 5]])
  await archive.close()
})

test('a record that cannot be opened is kept as it came and becomes durable', async () => {
  const { archive, disk, events } = await makeRig()
  await archive.nameCamera(CAMERA, 'Door')
  events.length = 0
  await archive.quarantine(CAMERA, BROKEN, 'the seal is broken').then(() => events.push('answered'))
  const [record = '', about = ''] = await filesBelow(disk, 'quarantine')
  assert.match(record, /^quarantine\/Door\/00000000000000a1-12-[0-9a-f]{8}\.hwr$/)
  assert.equal(await bytesOf(disk, record), BROKEN)
  const why = JSON.parse(Buffer.from(await bytesOf(disk, about)).toString())
  assert.equal([why.why, why.camera, why.log, why.first, why.last], ['the seal is broken', CAMERA_HEX, LOG, 12, 12])
  const order = [
    'write quarantine',
    'datasync quarantine',
    'syncDir quarantine',
    'write .homeward',
    'index',
    'answered',
  ]
  const places = order.map((start) => events.findIndex((event) => event.startsWith(start)))
  assert.equal(
    places,
    [...places].sort((a, b) => a - b),
  )
  assert.ok(!places.includes(-1), events.join('\n'))
  assert.equal(archive.durable(CAMERA, LOG, 0, 99), [[12, 12]])
  events.length = 0
  await archive.quarantine(CAMERA, BROKEN, 'the seal is broken')
  assert.equal(events, [])
  await archive.close()
})

test('a record without a readable header is kept under the name the session has for it, or under none', async () => {
  const { archive, disk } = await makeRig()
  const noise = new Uint8Array(50).fill(9)
  await archive.quarantine(CAMERA, noise, 'not a record', { log: LOG, first: 7, last: 8 })
  assert.equal(archive.durable(CAMERA, LOG, 0, 99), [[7, 8]])
  await archive.quarantine(CAMERA, new Uint8Array(9), 'not a record')
  assert.equal(archive.durable(CAMERA, LOG, 0, 99), [[7, 8]])
  const names = (await filesBelow(disk, 'quarantine')).map((path) =>
    path.split('/')[2]?.split('-').slice(0, -1).join('-'),
  )
  assert.equal(names, [`${LOG}-7`, `${LOG}-7`, 'unnamed', 'unnamed'])
  await archive.close()
})

test('a quarantine that cannot be written is refused and settles nothing', async () => {
  const { archive, disk } = await makeRig()
  await archive.nameCamera(CAMERA, 'Door')
  for (const on of ['write', 'datasync', 'syncDir'] as const) {
    disk.arm({ on, path: on === 'syncDir' ? `${ROOT}/quarantine` : 'quarantine', code: 'EIO' })
    const [result] = await Promise.allSettled([archive.quarantine(CAMERA, BROKEN, 'broken')])
    assert.is(result?.status, 'rejected', on)
    assert.equal(archive.durable(CAMERA, LOG, 0, 99), [], on)
  }
  await archive.quarantine(CAMERA, BROKEN, 'broken')
  assert.equal(archive.durable(CAMERA, LOG, 0, 99), [[12, 12]])
  await archive.close()
})

test('an expired file is gone, its numbers stay settled, and it does not come back', async () => {
  const { archive, disk, events, store, storeAll } = await makeRig()
  await storeAll(0, 4)
  const [file] = archive.files(CAMERA, T0, T0 + 60 * SECOND)
  if (file === undefined) throw new Error('no file')
  events.length = 0
  await archive.expire(file, 'older than 30 days')
  const [journal, removed] = ['write .homeward/journal', 'remove'].map((start) =>
    events.findIndex((event) => event.startsWith(start)),
  )
  assert.ok((journal ?? -1) >= 0 && (removed ?? -1) > (journal ?? 0), events.join('\n'))
  assert.equal(await footage(disk), [])
  assert.equal(archive.files(CAMERA, T0, T0 + 60 * SECOND), [])
  assert.equal(archive.durable(CAMERA, LOG, 0, 99), [[0, 4]])
  assert.is(await store({ seq: 2 }), 'duplicate')
  assert.equal([archive.totals()[0]?.fragments, archive.totals()[0]?.bytes], [0, 0])
  const { stored, ledger } = archive.timeline(CAMERA, T0, T0 + 60 * SECOND)
  assert.equal(stored, [])
  assert.equal(
    ledger.map(({ kind, first, last, reason }) => [kind, first, last, reason]),
    [['expired', 0, 4, 'older than 30 days']],
  )
  const { missing, unindexed } = await archive.verify({ deep: false })
  assert.equal([missing, unindexed], [[], []])
  await archive.expire(file, 'again')
  await archive.close()
})

test('folders that an expiry empties go too, others stay, and footage can come back to them', async () => {
  const { archive, disk, store } = await makeRig()
  await archive.nameCamera(CAMERA, 'Door')
  await store({ seq: 0 })
  await store({ seq: 100 })
  await store({ seq: 7000 })
  const folders = async () => (await disk.list(`${ROOT}/Door/2026-03-14`)).map(({ name }) => name)
  const files = archive.files(CAMERA, T0, T0 + 9000 * SECOND)
  assert.equal(await folders(), ['10', '11'])
  for (const [index, left] of [['10', '11'], ['11'], undefined].entries()) {
    const file = files[index]
    if (file !== undefined) await archive.expire(file, 'old')
    if (left === undefined) assert.equal(await disk.list(`${ROOT}/Door`), [])
    else assert.equal(await folders(), left)
  }
  assert.is(await store({ seq: 1 }), 'stored')
  disk.crash(seededRandom(1), 'nothing')
  assert.equal(await folders(), ['10'])
  await archive.close()
})

test('a power cut in the middle of an expiry finishes it at the next start', async () => {
  const rig = await makeRig()
  await rig.storeAll(0, 4)
  const [file] = rig.archive.files(CAMERA, T0, T0 + 60 * SECOND)
  if (file === undefined) throw new Error('no file')
  await rig.archive.close()
  const open = await makeRig({ disk: rig.disk, home: rig.home })
  open.disk.arm({ on: 'remove', path: 'mp4', code: 'EIO' })
  open.disk.watch(({ operation, path }) => {
    if (operation === 'datasync' && path.includes('journal')) open.home.store.failure = new Error('power')
  })
  await Promise.allSettled([open.archive.expire(file, 'old')])
  await open.archive.close()
  open.home.store.failure = undefined
  assert.is((await footage(rig.disk)).length, 1)
  const again = await makeRig({ disk: rig.disk, home: rig.home })
  assert.equal(await footage(rig.disk), [])
  assert.equal(again.archive.files(CAMERA, T0, T0 + 60 * SECOND), [])
  assert.equal(again.archive.durable(CAMERA, LOG, 0, 99), [[0, 4]])
  await again.archive.close()
})

test.run()
