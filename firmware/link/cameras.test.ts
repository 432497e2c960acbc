import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type HomewardError, isHomewardError } from '../wire/errors.ts'
import { CameraList } from './cameras.ts'
import { randomBytes } from './sodium.ts'
import { formatUid, shortId } from './uid.ts'

const test = suite<{ dir: string }>('cameras', { dir: '' })
test.before.each(async (context) => {
  context.dir = await mkdtemp(join(tmpdir(), 'homeward-'))
})
test.after.each(({ dir }) => rm(dir, { recursive: true }))

const [one, two, three] = [randomBytes(32), randomBytes(32), randomBytes(32)]
const tokenHash = 'ab'.repeat(32)
const enrol = (list: CameraList, key: Uint8Array, name: string) => list.enrol({ key, name, tokenHash, enrolledUs: 5 })

test('enrolled, and there again after a restart', async ({ dir }) => {
  const list = await CameraList.open(dir)
  assert.equal(list.all(), [])
  const camera = await enrol(list, one, ' Front door ')
  assert.equal(camera, {
    key: one,
    uid: formatUid(one),
    name: 'Front door',
    folder: 'Front-door',
    enrolledUs: 5,
    tokenHash,
  })
  const again = await CameraList.open(dir)
  assert.equal(again.all(), [camera])
  assert.equal(again.get(one), camera)
  assert.is(again.get(two), undefined)
  assert.is((await stat(join(dir, 'cameras.json'))).mode & 0o777, 0o600)
})

test('folders never meet, not even those of nobody here', async ({ dir }) => {
  const list = await CameraList.open(dir)
  assert.is((await enrol(list, one, 'Door')).folder, 'Door')
  assert.is((await enrol(list, two, 'door')).folder, 'door-2')
  const third = await list.enrol({ key: three, name: 'Yard', tokenHash, enrolledUs: 5, takenFolders: ['yard'] })
  assert.is(third.folder, 'Yard-2')
})

test('cameras that come at once get folders of their own', async ({ dir }) => {
  const list = await CameraList.open(dir)
  const all = await Promise.all([one, two, three].map((key) => enrol(list, key, 'Door')))
  assert.equal(all.map(({ folder }) => folder).sort(), ['Door', 'Door-2', 'Door-3'])
  assert.is((await CameraList.open(dir)).all().length, 3)
})

test('a camera without a name gets one', async ({ dir }) => {
  const camera = await enrol(await CameraList.open(dir), one, '')
  assert.is(camera.name, `camera ${shortId(one).toLowerCase()}`)
})

test('renamed and forgotten: the folder stays, and waits for its return', async ({ dir }) => {
  const list = await CameraList.open(dir)
  await enrol(list, one, 'Door')
  await enrol(list, two, 'Yard')
  assert.is((await list.rename(one, 'Gate')).folder, 'Door')
  assert.is((await list.rename(one, '  ')).name, 'Gate')
  await list.forget(one, 77)
  for (const each of [list, await CameraList.open(dir)]) {
    assert.equal(
      each.enrolled().map(({ name }) => name),
      ['Yard'],
    )
    assert.is(each.get(one)?.forgottenUs, 77)
  }
  assert.is((await enrol(list, three, 'Door')).folder, 'Door-2')
  const back = await enrol(list, one, '')
  assert.is(back.name, 'Gate')
  assert.is(back.folder, 'Door')
  assert.is(back.forgottenUs, undefined)
  assert.is(list.enrolled().length, 3)
})

test('unknown cameras', async ({ dir }) => {
  const list = await CameraList.open(dir)
  for (const work of [list.rename(one, 'x'), list.forget(one, 1)]) {
    try {
      await work
      assert.unreachable()
    } catch (error) {
      assert.ok(isHomewardError(error, 'CAMERA_UNKNOWN'))
    }
  }
  await enrol(list, one, 'Door')
  assert.is(list.all().length, 1)
})

test('found by name, folder, UID and the beginning of a UID', async ({ dir }) => {
  const list = await CameraList.open(dir)
  await enrol(list, one, 'Front door')
  await enrol(list, two, 'Yard')
  const texts = ['Front door', 'front DOOR', 'Front-door', formatUid(one), shortId(one), shortId(one).toLowerCase()]
  for (const text of texts) assert.equal(list.find(text).key, one, text)
  const hintOf = (text: string) => {
    try {
      list.find(text)
      return 'found'
    } catch (error) {
      assert.ok(isHomewardError(error, 'CAMERA_UNKNOWN'))
      return `${(error as HomewardError).message} ${(error as HomewardError).hint}`
    }
  }
  assert.match(hintOf('nobody'), /no camera here Known: Front door \([A-Z2-7]{7}\), Yard/)
  assert.match(hintOf(''), /no camera/)
  await enrol(list, three, 'yard')
  assert.match(hintOf('yard'), /more than one/)
})

test('a change shows only once it is durable, and listeners hear of it then', async ({ dir }) => {
  const state = join(dir, 'state')
  const list = await CameraList.open(state)
  let heard = 0
  const stop = list.onChange(() => {
    heard += 1
  })
  await enrol(list, one, 'Door')
  await rm(state, { recursive: true })
  await writeFile(state, 'not a folder')
  try {
    await enrol(list, two, 'Yard')
    assert.unreachable()
  } catch (error) {
    assert.ok(isHomewardError(error, 'DISK_FAILED'))
  }
  assert.is(list.all().length, 1)
  await rm(state)
  await enrol(list, two, 'Yard')
  assert.is(heard, 2)
  stop()
})

test('a damaged list is an error, never an empty list', async ({ dir }) => {
  const key = '00'.repeat(32)
  const item = (change: object) =>
    JSON.stringify({
      format: 'homeward-cameras-1',
      cameras: [{ key, name: 'Door', folder: 'Door', enrolledUs: 1, tokenHash, ...change }],
    })
  await writeFile(join(dir, 'cameras.json'), item({}))
  assert.is((await CameraList.open(dir)).all().length, 1)
  const damaged = [
    '',
    'null',
    '{"format":"homeward-cameras-1"}',
    item({ key: 'zz' }),
    item({ folder: '../x' }),
    item({ folder: '' }),
    item({ name: 5 }),
    item({ name: 'x'.repeat(65) }),
    item({ forgottenUs: 'x' }),
    item({ enrolledUs: 1.5 }),
  ]
  for (const text of damaged) {
    await writeFile(join(dir, 'cameras.json'), text)
    try {
      await CameraList.open(dir)
      assert.unreachable(text)
    } catch (error) {
      assert.ok(isHomewardError(error, 'STATE_DAMAGED'), text)
    }
  }
})

test.run()
