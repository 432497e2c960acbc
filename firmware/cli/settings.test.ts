import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../wire/errors.ts'
import { byteCount, folder, hostPort, loadSettings, oneOf, readHostPort, text } from './settings.ts'

const test = suite('settings', { folder: '', file: '' })

test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), 'homeward-'))
  context.file = join(context.folder, 'camera.toml')
})
test.after.each((context) => rm(context.folder, { recursive: true }))

const about = (key: string) => ({ key, placeholder: 'X', help: '' })
const table = {
  source: text(about('source'), 'test'),
  ring: folder(about('ring'), '/card'),
  ringSize: byteCount(about('ring-size'), 1000, 10),
  p2p: hostPort(about('p2p'), undefined),
  level: oneOf(about('log-level'), ['info', 'debug'], 'info'),
}

async function messageOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'no error'
  } catch (error) {
    assert.ok(isHomewardError(error, 'CONFIG_INVALID'))
    return error.message
  }
}

test('defaults, file, flags: the later goes first', async ({ file }) => {
  assert.equal(await loadSettings(table, {}), {
    source: 'test',
    ring: '/card',
    ringSize: 1000,
    p2p: undefined,
    level: 'info',
  })
  await writeFile(file, 'source = "fake"\nring-size = "2KiB"\np2p = "server.example:7440"\n')
  const settings = await loadSettings(table, { config: file, ringSize: '500MB' })
  assert.is(settings.source, 'fake')
  assert.is(settings.ringSize, 500e6)
  assert.equal(settings.p2p, { host: 'server.example', port: 7440 })
})

test('what is wrong is named', async ({ file }) => {
  assert.match(await messageOf(loadSettings(table, { ringSize: '5' })), /--ring-size: "5" .* at least 10/)
  assert.match(await messageOf(loadSettings(table, { logLevel: 'loud' })), /one of info, debug/)
  await writeFile(file, 'ring-size = true\n')
  assert.match(await messageOf(loadSettings(table, { config: file })), /camera\.toml: ring-size: true is not valid/)
  await writeFile(file, 'rings = "x"\n')
  assert.match(await messageOf(loadSettings(table, { config: file })), /unknown key "rings"/)
  await writeFile(file, 'a = 1\nsource = fake\n')
  assert.match(await messageOf(loadSettings(table, { config: file })), /line 2/)
  assert.match(await messageOf(loadSettings(table, { config: '/nowhere.toml' })), /does not exist/)
})

test('addresses', () => {
  const good: [string, string, number][] = [
    ['192.0.2.1:7440', '192.0.2.1', 7440],
    ['[2001:db8::1]:7440', '2001:db8::1', 7440],
    ['server.example:1', 'server.example', 1],
  ]
  for (const [given, host, port] of good) assert.equal(readHostPort(given), { host, port })
  for (const bad of ['', 'host', 'host:', 'host:0', 'host:70000', '2001:db8::1:7440', ':7440', 'a b:1', 'http://a:1']) {
    assert.is(readHostPort(bad), undefined, bad)
  }
  assert.equal(readHostPort('0.0.0.0:0', true), { host: '0.0.0.0', port: 0 })
})

test('sizes', () => {
  const size = byteCount(about('x'), 0)
  const cases: [unknown, number | undefined][] = [
    [1048576, 1048576],
    ['64GiB', 64 * 2 ** 30],
    ['1.5 GB', 1.5e9],
    ['500M', 5e8],
    ['-1', undefined],
    ['1 PB', undefined],
    ['', undefined],
    [Number.NaN, undefined],
  ]
  for (const [given, bytes] of cases) assert.is(size.read(given), bytes, String(given))
})

test.run()
