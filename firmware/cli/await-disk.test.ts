import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { realSystem } from '../platform/system-real.ts'
import { waitingConsole } from '../storage/console.ts'
import { isHomewardError } from '../wire/errors.ts'
import { cannotMount } from './mount-fixture.ts'
import { Program } from './program.ts'

const reason = await cannotMount()

test('with --root-mount wait a storage device records nothing before a disk is mounted, and starts when one is', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'homeward-'))
  const root = join(folder, 'root')
  await mkdir(root)
  const flags = ['--root-mount', 'wait', '--root', root, '--listen', '127.0.0.1:0', '--http', 'off', '--min-free', '1']
  const log = join(folder, 'log')
  const storage = new Program('storage', ['storage', 'run', ...flags], join(folder, 'state'), log)
  const said = async (text: string) => {
    for (const end = performance.now() + 30_000; performance.now() < end; await sleep(100)) {
      if ((await readFile(log, 'utf8')).includes(text)) return
    }
    throw new Error(`"${text}" was not logged`)
  }
  try {
    await said('no disk for footage is there')
    await sleep(700)
    assert.not((await readFile(log, 'utf8')).includes('storage agent is up'))
    if (reason === undefined) {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', root])
      await said('storage agent is up')
    }
  } finally {
    storage.signal('SIGTERM')
    await storage.exited
    if (reason === undefined) execFileSync('umount', ['-l', root])
    await rm(folder, { recursive: true, force: true })
  }
})

test('the console of a storage device without a disk says so, and has what is needed to make one ready', async () => {
  const network = { read: async () => undefined, write: async () => {} }
  const resets = { reset: async () => {}, factoryReset: async () => {} }
  const commands = waitingConsole({ system: realSystem, recentLog: () => [], network, board: 'x', resets })
  for (const name of ['info', 'status', 'disk', 'network', 'log', 'reboot', 'reset', 'factory-reset']) {
    assert.ok(commands[name], name)
  }
  assert.match((await commands.status?.run([], new AbortController().signal))?.join('\n') ?? '', /disk prepare DEVICE/)
  for (const name of ['setup', 'claim', 'name']) {
    try {
      await commands[name]?.run([], new AbortController().signal)
      assert.unreachable(name)
    } catch (error) {
      assert.ok(isHomewardError(error, 'DISK_MISSING'), `${name}: ${error}`)
    }
  }
})

test.run()
