import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { codeOf } from '../../wire/error-code-fixture.ts'
import { HomewardError } from '../../wire/errors.ts'
import { FakeSystem } from '../system-fake.ts'
import { commonCommands, describeSystem } from './common.ts'

function deviceWith(lines: readonly string[] = []) {
  const system = new FakeSystem()
  system.diskLines = lines
  const network = { read: async () => undefined, write: async () => {} }
  const { disk } = commonCommands({ system, recentLog: () => [], network })
  const ask = async (...words: string[]) => disk.run(words, new AbortController().signal)
  return { system, ask }
}

test('info tells of an update that did not stay', async () => {
  const system = new FakeSystem()
  assert.equal(await describeSystem(system), ['system: Homeward 0.1.0', 'build: test'])
  system.update = 'the update to 0.2 did not stay, 0.1 runs again: it did not start'
  assert.is((await describeSystem(system)).at(-1), `update: ${system.update}`)
})

test('disk shows what is there, or that nothing is', async () => {
  assert.equal(await deviceWith(['/dev/sda 4096 MB -: empty']).ask(), ['/dev/sda 4096 MB -: empty'])
  assert.equal(await deviceWith().ask(), ['no card or disk for footage is there'])
})

test('disk prepare makes one ready, and erases only when told to', async () => {
  const { system, ask } = deviceWith()
  assert.equal(await ask('prepare', '/dev/sda'), ['/dev/sda is ready and taken into use'])
  await ask('prepare', 'mmcblk0', '--erase')
  await ask('--erase', 'prepare', '/dev/sdb')
  assert.equal(system.done, ['prepare /dev/sda', 'prepare /dev/mmcblk0 erasing', 'prepare /dev/sdb erasing'])
})

test('a disk that takes long goes on by itself', async () => {
  const { system, ask } = deviceWith()
  system.slow = true
  assert.equal(await ask('prepare', 'sda', '--erase'), ['/dev/sda is being made ready: see `disk`'])
})

test('what is no disk never reaches the tool', async () => {
  const { system, ask } = deviceWith()
  const wrong = [['prepare'], ['erase', 'sda'], ['prepare', 'sda', 'sdb']]
  const names = ['../sda', '/etc/passwd', '-x', '/dev/', 'sda;reboot', 'SDA', '/dev/sda/..']
  for (const words of [...wrong, ...names.map((name) => ['prepare', name, '--erase'])]) {
    assert.is(await codeOf(ask(...words)), 'USAGE', words.join(' '))
  }
  assert.equal(system.done, [])
})

test('a refusal keeps its words', async () => {
  const { system, ask } = deviceWith()
  system.failure = new HomewardError('DISK_WRONG', '/dev/sda is in use')
  assert.is(await codeOf(ask('prepare', 'sda')), 'DISK_WRONG')
  assert.is(await codeOf(ask()), 'DISK_WRONG')
})

test.run()
