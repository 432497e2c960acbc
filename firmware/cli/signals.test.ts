// time-out: 120 s
/** Stopping: SIGTERM and Ctrl-C end every agent within 5 s and cleanly, at any moment; after kill -9 the next start works. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { assertRefused, CommandRun, homeward } from './command-fixture.ts'
import { processesWith, socketsAt } from './process-fixture.ts'
import type { Program } from './program.ts'
import { TestHome } from './test-home.ts'

const SOURCE = 'fake:fps=30,gop=10,size=128x64,bitrate=800000'
const STOP_WITHIN_MS = 5_000

const test = suite('signals', { home: undefined as unknown as TestHome })

test.before.each(async (context) => {
  context.home = await TestHome.create()
})
test.after.each(({ home }) => home.close())

const state = (home: TestHome, name: string) => ['--state', join(home.folder, name)]
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** A command to the storage device, which is stopped: once it has asked. */
async function asked(home: TestHome, args: readonly string[]): Promise<CommandRun> {
  const socket = join(home.program('storage').state, 'control.sock')
  const before = await socketsAt(socket)
  const run = new CommandRun(['storage', ...args, ...state(home, 'storage')])
  while ((await socketsAt(socket)) === before && run.child.exitCode === null) await pause(20)
  return run
}

/** To the program alone, as `kill` and systemd do; what it has started is for it to end. */
async function assertStops(program: Program, signal: NodeJS.Signals): Promise<void> {
  const started = performance.now()
  process.kill(program.pid, signal)
  const exit = await program.exited
  assert.equal(exit, { status: 0, signal: null }, `${program.name} at ${signal}`)
  const tookMs = performance.now() - started
  assert.ok(tookMs < STOP_WITHIN_MS, `${program.name} took ${Math.round(tookMs)} ms`)
}

async function startAll(home: TestHome, source = SOURCE): Promise<void> {
  await home.startServer()
  await home.startStorage()
  await home.startCamera('camera', source)
  await home.pair('camera')
  await home.until('camera', 'storing', ({ seq }) => seq.acked > 2)
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} in full flow`, async ({ home }) => {
    await startAll(home, 'test:size=128x64')
    for (const name of ['camera', 'storage', 'p2p']) await assertStops(home.program(name), signal)
    assert.equal(await processesWith(home.folder), [], 'no ffmpeg, no agent is left')
  })
}

test('SIGTERM with the others gone, and before anything was set up', async ({ home }) => {
  await startAll(home)
  for (const name of ['p2p', 'storage']) home.program(name).signal('SIGKILL')
  await home.until('camera', 'alone', (status) => status.state !== 'connected')
  await assertStops(home.program('camera'), 'SIGTERM')
  await assertStops(await home.startCamera('fresh', SOURCE), 'SIGTERM')
})

test('SIGTERM at any moment of the start', async ({ home }) => {
  await startAll(home)
  await Promise.all(['camera', 'storage', 'p2p'].map((name) => home.program(name).stop()))
  const camera = ['camera', 'run', '--ring', home.ring('camera'), '--source', SOURCE, ...state(home, 'camera')]
  const storage = ['storage', 'run', '--root', home.disk, '--listen', '127.0.0.1:0', ...state(home, 'storage')]
  for (const args of [camera, storage, ['p2p', '--listen', '127.0.0.1:0', ...state(home, 'p2p')]]) {
    for (let afterMs = 80; afterMs < 700; afterMs += 100) {
      const agent = new CommandRun(args)
      await pause(afterMs)
      const { status, signal, stderr } = await agent.end('SIGTERM')
      // Before it listens to signals there is nothing yet to be closed.
      assert.ok(status === 0 || signal === 'SIGTERM', `${args.join(' ')} after ${afterMs} ms: ${status} ${stderr}`)
    }
  }
  await startAll(home)
  const { damaged, missing, unindexed } = await home.verify()
  assert.equal([damaged, missing, unindexed], [[], [], []])
})

test('kill -9, then a start as if nothing had been', async ({ home }) => {
  await startAll(home)
  for (const name of ['camera', 'storage', 'p2p']) home.program(name).signal('SIGKILL')
  for (const name of ['camera', 'storage', 'p2p']) await home.program(name).exited
  await home.startServer()
  await home.startStorage()
  await home.startCamera('camera', SOURCE)
  await home.until('camera', 'storing again', ({ seq }) => seq.acked > 2)
  const { seq } = await home.drain('camera')
  assert.is(seq.lost, 0)
})

test('Ctrl-C while a command waits for its answer', async ({ home }) => {
  await startAll(home)
  const storage = home.program('storage')
  const out = join(home.folder, 'film.mp4')
  const span = ['--from', '2026-01-01', '--to', '2099-01-01', '--camera', 'camera', '--out', out]
  const commands = [['verify', '--deep'], ['export', ...span], ['reindex'], ['cameras']]
  for (const args of commands) {
    process.kill(storage.pid, 'SIGSTOP')
    const run = await asked(home, args)
    const { status, signal, stdout, stderr, tookMs } = await run.end('SIGINT')
    process.kill(storage.pid, 'SIGCONT')
    assert.ok(tookMs < 5_000)
    assert.is(stdout, '')
    // What only asks has nothing to cancel.
    if (args[0] === 'cameras') assert.is(signal, 'SIGINT')
    else assert.equal([status, stderr], [1, 'homeward: cancelled.\n'])
  }
  await pause(300)
  assert.equal(
    (await readdir(home.folder)).filter((name) => name.includes('film')),
    [],
    'no half of a film is left',
  )
  const before = await home.status('camera')
  await home.until('camera', 'going on', ({ seq }) => seq.acked > before.seq.acked + 2)
  const { damaged, missing, unindexed } = await home.verify()
  assert.equal([damaged, missing, unindexed], [[], [], []])
})

test('an agent that dies while a command waits', async ({ home }) => {
  await startAll(home)
  const storage = home.program('storage')
  process.kill(storage.pid, 'SIGSTOP')
  const run = await asked(home, ['verify'])
  storage.signal('SIGKILL')
  assertRefused(await run.done, 1, /the agent stopped before it answered/)
  assertRefused(await homeward(['storage', 'verify', ...state(home, 'storage')]), 1, /is not running\. Start it/)
})

test.run()
