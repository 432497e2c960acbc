import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { NETWORK_FILE } from '../platform/network-settings.ts'
import { FakeSystem } from '../platform/system-fake.ts'
import { deviceResets, networkFile } from './device-resets.ts'
import { emptyState, isResetNoted } from './state-reset.ts'

const test = suite<{ state: string }>('device resets')

test.before.each(async (context) => {
  context.state = await mkdtemp(join(tmpdir(), 'homeward-'))
  await writeFile(join(context.state, 'identity.json'), '{}')
  await networkFile(context.state).write('MODE=dhcp\n')
})

test.after.each(({ state }) => rm(state, { recursive: true }))

test('a reset forgets pairing and network, and nothing else', async ({ state }) => {
  const system = new FakeSystem()
  const order: string[] = system.done
  await deviceResets({
    state,
    system,
    unpair: async () => {
      order.push('unpair')
    },
  }).reset()
  assert.equal([order, await readdir(state)], [['unpair', 'network'], ['identity.json']])
  assert.is(await networkFile(state).read(), undefined)
})

test('a factory reset is noted, and done at the next start', async ({ state }) => {
  const system = new FakeSystem()
  await deviceResets({ state, system, unpair: async () => {} }).factoryReset()
  assert.equal(system.done, ['reboot'])
  assert.ok((await readdir(state)).includes('identity.json'))
  assert.ok(await isResetNoted(state))
  await mkdir(join(state, 'folder'))
  await writeFile(join(state, 'control.sock'), '')
  await emptyState(state)
  assert.equal([await readdir(state), await isResetNoted(state)], [['control.sock'], false])
})

test('a machine that does not start again keeps everything', async ({ state }) => {
  const system = new FakeSystem()
  system.failure = new Error('no such tool')
  try {
    await deviceResets({ state, system, unpair: async () => {} }).factoryReset()
    assert.unreachable()
  } catch (error) {
    assert.is((error as Error).message, 'no such tool')
  }
  assert.equal([await isResetNoted(state), (await readdir(state)).sort()], [false, ['identity.json', NETWORK_FILE]])
})

test.run()
