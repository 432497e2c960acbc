import { mkdtemp, rm, stat } from 'node:fs/promises'
import { createConnection, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { codeOf } from '../wire/error-code-fixture.ts'
import { HomewardError, isHomewardError } from '../wire/errors.ts'
import { type ControlHandler, type ControlHandlers, ControlServer, callControl } from './control.ts'

const test = suite('control', { folder: '', path: '' })

test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), 'homeward-'))
  context.path = join(context.folder, 'control.sock')
})
test.after.each((context) => rm(context.folder, { recursive: true }))

async function serving(
  path: string,
  handlers: Record<string, ControlHandler>,
  body: () => Promise<void>,
): Promise<void> {
  const server = new ControlServer(path, handlers)
  await server.start()
  try {
    await body()
  } finally {
    await server.close()
    await server.close()
  }
}

test('a call gets its progress and its result', async ({ path }) => {
  const add: ControlHandler = (args, { progress }) => {
    progress('half')
    const { a, b } = args as { a: number; b: number }
    return { sum: a + b }
  }
  await serving(path, { add }, async () => {
    const seen: unknown[] = []
    const result = await callControl(path, 'add', { a: 1, b: 2 }, { onProgress: (value) => seen.push(value) })
    assert.equal(result, { sum: 3 })
    assert.equal(seen, ['half'])
    assert.is((await stat(path)).mode & 0o777, 0o600)
  })
})

test('errors keep their code and hint', async ({ path }) => {
  const fail = () => {
    throw new HomewardError('DISK_FULL', 'full', { hint: 'make room' })
  }
  await serving(path, { fail }, async () => {
    try {
      await callControl(path, 'fail', null)
      assert.unreachable()
    } catch (error) {
      assert.ok(isHomewardError(error, 'DISK_FULL'))
      assert.is(error.hint, 'make room')
    }
    assert.is(await codeOf(callControl(path, 'nothing', null)), 'USAGE')
    assert.is(await codeOf(callControl(path, 'toString', null)), 'USAGE')
  })
})

test('no agent, and a second agent', async ({ path }) => {
  assert.is(await codeOf(callControl(path, 'status', null)), 'AGENT_NOT_RUNNING')
  await serving(path, {}, async () => {
    assert.is(await codeOf(new ControlServer(path, {}).start()), 'AGENT_RUNNING')
  })
  assert.is(await codeOf(new ControlServer(join(path, 'x'.repeat(100)), {}).start()), 'CONFIG_INVALID')
})

test('an agent that dies before it answers', async ({ path }) => {
  const deaths: ((socket: Socket) => void)[] = [
    (socket) => socket.destroy(),
    (socket) => socket.once('readable', () => socket.destroy()),
    (socket) => socket.resume().end('{"progress": 1}\n{"resu'),
  ]
  for (const die of deaths) {
    const server = createServer(die)
    await new Promise<void>((resolve) => server.listen(path, resolve))
    assert.is(await codeOf(callControl(path, 'status', { text: 'x'.repeat(100_000) })), 'AGENT_NOT_RUNNING')
    await new Promise((resolve) => server.close(resolve))
  }
})

test('requests wait until the agent is up, and hear why when it does not come up', async ({ path }) => {
  let up: (handlers: ControlHandlers) => void = () => {}
  const server = new ControlServer(path, new Promise((resolve) => (up = resolve)))
  await server.start()
  const call = callControl(path, 'status', null)
  const first = await Promise.race([call, new Promise((resolve) => setTimeout(resolve, 30, 'waits'))])
  assert.is(first, 'waits')
  up({ status: () => 'fine' })
  assert.is(await call, 'fine')
  await server.close()
  const failure = Promise.reject(new HomewardError('DISK_MISSING', 'gone'))
  failure.catch(() => undefined)
  const failed = new ControlServer(path, failure)
  await failed.start()
  assert.is(await codeOf(callControl(path, 'status', null)), 'DISK_MISSING')
  await failed.close()
})

test('hanging up cancels the work', async ({ path }) => {
  const controller = new AbortController()
  let cancelled = false
  const wait: ControlHandler = (_args, { signal, progress }) => {
    progress('started')
    return new Promise((resolve) =>
      signal.addEventListener('abort', () => {
        cancelled = true
        resolve(null)
      }),
    )
  }
  await serving(path, { wait }, async () => {
    const call = callControl(path, 'wait', null, { signal: controller.signal, onProgress: () => controller.abort() })
    assert.is(await codeOf(call), 'CANCELLED')
    while (!cancelled) await new Promise((resolve) => setImmediate(resolve))
  })
})

test('garbage is answered and closed', async ({ path }) => {
  await serving(path, {}, async () => {
    for (const garbage of ['hello\n', '\n', '[]\n', `${'x'.repeat(70_000)}`]) {
      const socket = createConnection(path)
      let answer = ''
      socket.on('data', (chunk) => {
        answer += chunk.toString()
      })
      socket.write(garbage)
      await new Promise((resolve) => socket.on('close', resolve))
      assert.match(answer, /"USAGE"/)
    }
  })
})

test.run()
