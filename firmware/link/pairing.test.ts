import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../wire/errors.ts'
import { createIdentity } from './identity.ts'
import { CACHED_ADDRESSES_MAX, PairingFile } from './pairing.ts'
import { randomBytes } from './sodium.ts'

const test = suite<{ dir: string; path: string }>('pairing', { dir: '', path: '' })
test.before.each(async (context) => {
  context.dir = await mkdtemp(join(tmpdir(), 'homeward-'))
  context.path = join(context.dir, 'pairing.json')
})
test.after.each(({ dir }) => rm(dir, { recursive: true }))

const storage = createIdentity().publicKey
const [token, key] = [randomBytes(16), randomBytes(32)]
const v4 = { host: '192.168.1.2', port: 7441 }
const v6 = { host: 'fd00::2', port: 7441 }
const code = { storage, token, server: { host: 'p2p.example.org', port: 7440, key }, addresses: [v4] }

test('set up, and known after a restart', async ({ dir, path }) => {
  const file = await PairingFile.open(dir)
  assert.is(file.current, undefined)
  await file.setup(code, ' Door ')
  assert.equal(file.current, { ...code, wantedName: 'Door' })
  assert.equal((await PairingFile.open(dir)).current, file.current)
  assert.is((await stat(path)).mode & 0o777, 0o600)
})

test('once enrolled, the token is gone from the disk', async ({ dir, path }) => {
  const file = await PairingFile.open(dir)
  await file.setup(code)
  await file.enrolled('Front door')
  assert.is(file.current?.token, undefined)
  assert.is(file.current?.name, 'Front door')
  assert.not.match(await readFile(path, 'utf8'), Buffer.from(token).toString('hex'))
  assert.equal((await PairingFile.open(dir)).current, file.current)
})

test('hearing the same again writes nothing', async ({ dir, path }) => {
  const file = await PairingFile.open(dir)
  await file.setup(code)
  await file.enrolled('Door')
  await rm(path)
  await file.enrolled('Door')
  await file.enrolled()
  await file.remember([v4])
  await file.remember([])
  assert.is(await stat(path).catch(() => undefined), undefined)
  await file.enrolled('Gate')
  assert.ok(await stat(path))
})

test('addresses: the latest first, no more than a few', async ({ dir }) => {
  const file = await PairingFile.open(dir)
  await file.setup(code)
  await file.remember([v6])
  assert.equal(file.current?.addresses, [v6, v4])
  await file.remember([v4])
  assert.equal(file.current?.addresses, [v4, v6])
  await file.remember(Array.from({ length: 20 }, (_, at) => ({ host: '10.0.0.1', port: at + 1 })))
  assert.is(file.current?.addresses.length, CACHED_ADDRESSES_MAX)
  assert.equal((await PairingFile.open(dir)).current?.addresses, file.current?.addresses)
})

test('a new code for the same storage device keeps what is known of it; one for another starts anew', async ({
  dir,
}) => {
  const file = await PairingFile.open(dir)
  await file.setup(code)
  await file.enrolled('Door')
  await file.remember([v6])
  await file.setup({ ...code, token: randomBytes(16) })
  assert.equal(file.current?.addresses, [v4, v6])
  assert.is(file.current?.name, undefined)
  await file.setup({ storage: createIdentity().publicKey, token, addresses: [] })
  assert.equal(file.current?.addresses, [])
  assert.is(file.current?.server, undefined)
})

test('nothing to say before the setup', async ({ dir }) => {
  const file = await PairingFile.open(dir)
  for (const work of [() => file.enrolled('x'), () => file.remember([v4])]) {
    try {
      await work()
      assert.unreachable()
    } catch (error) {
      assert.ok(isHomewardError(error, 'NOT_PROVISIONED'))
    }
  }
})

test('a damaged file is an error, never an unprovisioned camera', async ({ dir, path }) => {
  await (await PairingFile.open(dir)).setup(code)
  const good = await readFile(path, 'utf8')
  const fields = JSON.parse(good) as Record<string, unknown>
  const bent = (change: object) => JSON.stringify({ ...fields, ...change })
  const texts = [
    '',
    '{',
    good.slice(0, -20),
    bent({ format: 'x' }),
    bent({ storage: 'AAAA' }),
    bent({ storage: undefined }),
    bent({ token: 'xx' }),
    bent({ addresses: ['nowhere'] }),
    bent({ addresses: 5 }),
    bent({ server: {} }),
    bent({ wantedName: 1 }),
  ]
  for (const text of texts) {
    await writeFile(path, text)
    try {
      await PairingFile.open(dir)
      assert.unreachable(text)
    } catch (error) {
      assert.ok(isHomewardError(error, 'STATE_DAMAGED'), text)
    }
    assert.is(await readFile(path, 'utf8'), text)
  }
})

test.run()
