import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { RealClock } from '../platform/clock-real.ts'
import { isHomewardError } from '../wire/errors.ts'
import type { Address } from './address.ts'
import { writeFrame } from './first-frame.ts'
import { waitFor } from './link-devices.ts'
import { DIAL_WITHIN_MS, dialTcp, FIRST_FRAME_WITHIN_MS, SILENT_MAX, TcpListener } from './tcp.ts'

const HOST = '127.0.0.1'
const HELLO = new Uint8Array(Buffer.from('hello'))

interface Taken {
  readonly frame: string
  readonly socket: Socket
  readonly from: Address
}

/** A listener on a free port that takes every connection whose first frame is HELLO. */
async function listening(clock = new FakeClock()) {
  const local = { host: HOST, port: await freePort() }
  const taken: Taken[] = []
  const frames: string[] = []
  const listener = await TcpListener.listen({
    ...{ local, clock },
    onFrame: (bytes, socket, from) => {
      const frame = Buffer.from(bytes).toString()
      frames.push(frame)
      if (frame === 'hello') taken.push({ frame, socket, from })
      return frame === 'hello'
    },
  })
  return { clock, local, listener, taken, frames }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST)
  await once(server, 'listening')
  const { port } = addressOf(server)
  server.close()
  await once(server, 'close')
  return port
}

function addressOf(server: Server): Address {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not a TCP server')
  return { host: HOST, port: address.port }
}

interface Caller {
  readonly socket: Socket
  readonly heard: Buffer[]
  isClosed(): boolean
}

async function call({ host, port }: Address): Promise<Caller> {
  const socket = connect({ host, port })
  const heard: Buffer[] = []
  let closed = false
  socket.on('error', () => {})
  socket.on('data', (chunk) => heard.push(chunk))
  socket.on('close', () => {
    closed = true
  })
  await once(socket, 'connect')
  return { socket, heard, isClosed: () => closed }
}

async function pause(ms = 20): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}

test('a stranger gets silence, and is closed after 3 s', async () => {
  const { clock, local, listener, frames } = await listening()
  const [silent, slow] = [await call(local), await call(local)]
  slow.socket.write(Uint8Array.of(0, 5, 104))
  await waitFor(() => clock.pendingTimers === 2, 'both connections')
  await clock.advance(FIRST_FRAME_WITHIN_MS - 1)
  await pause()
  assert.equal([silent.isClosed(), slow.isClosed()], [false, false])
  await clock.advance(1)
  await waitFor(() => silent.isClosed() && slow.isClosed(), 'their ends')
  assert.equal([silent.heard, slow.heard, frames], [[], [], []])
  assert.is(clock.pendingTimers, 0)
  await listener.close()
})

test('a wrong first frame, and one that is none, end the connection at once and without a word', async () => {
  const { clock, local, listener, frames, taken } = await listening()
  const wrong: [string, (socket: Socket) => void][] = [
    ['a stranger’s frame', (socket) => writeFrame(socket, new Uint8Array(200))],
    ['no length', (socket) => socket.write(Uint8Array.of(0, 0))],
    ['too long', (socket) => socket.write('GET / HTTP/1.1\r\n\r\n')],
    ['half a length', (socket) => socket.end(Uint8Array.of(0))],
    ['half a frame', (socket) => socket.end(Uint8Array.of(0, 5, 104, 101))],
    ['nothing', (socket) => socket.end()],
    ['a reset', (socket) => socket.resetAndDestroy()],
  ]
  for (const [what, write] of wrong) {
    const caller = await call(local)
    await waitFor(() => clock.pendingTimers === 1, `${what}: a connection`)
    write(caller.socket)
    await waitFor(caller.isClosed, `${what}: the end`)
    await waitFor(() => clock.pendingTimers === 0, `${what}: no timer`)
    assert.equal(caller.heard, [], what)
  }
  assert.is(frames.length, 1)
  assert.equal(taken, [])
  await listener.close()
})

test('a connection that is taken lives on, and nothing behind its first frame is lost', async () => {
  const { clock, local, listener, taken } = await listening()
  const caller = await call(local)
  writeFrame(caller.socket, HELLO)
  caller.socket.write('and more')
  await waitFor(() => taken.length === 1, 'the connection')
  const [first] = taken
  if (first === undefined) throw new Error('there is none')
  assert.equal(first.from, { host: HOST, port: caller.socket.localPort ?? 0 })
  caller.socket.write(' later')
  await clock.advance(FIRST_FRAME_WITHIN_MS * 2)
  await pause()
  const rest: Buffer[] = []
  first.socket.on('data', (chunk) => rest.push(chunk))
  first.socket.write('answer')
  await waitFor(() => Buffer.concat(rest).toString() === 'and more later', 'the rest')
  await waitFor(() => Buffer.concat(caller.heard).toString() === 'answer', 'the answer')
  assert.is(caller.isClosed(), false)
  await listener.close()
  await waitFor(caller.isClosed, 'the end: it closes with the listener')
})

test('so many may be silent; one that has spoken makes room', async () => {
  const { clock, local, listener, taken } = await listening()
  const callers: Caller[] = []
  while (callers.length < SILENT_MAX) callers.push(await call(local))
  await waitFor(() => clock.pendingTimers === SILENT_MAX, 'all of them')
  const turnedAway = await call(local)
  await waitFor(turnedAway.isClosed, 'the end of one more')
  assert.is(callers.filter((caller) => caller.isClosed()).length, 0)
  const [first, second] = callers
  if (first === undefined || second === undefined) throw new Error('there are two')
  writeFrame(first.socket, HELLO)
  await waitFor(() => taken.length === 1, 'the one that spoke')
  second.socket.destroy()
  await waitFor(() => clock.pendingTimers === SILENT_MAX - 2, 'room for two')
  const more = [await call(local), await call(local)]
  await waitFor(() => clock.pendingTimers === SILENT_MAX, 'two more')
  assert.is(more.filter((caller) => caller.isClosed()).length, 0)
  await listener.close()
  await waitFor(() => clock.pendingTimers === 0, 'the end of all timers')
})

test('close is idempotent and ends what is under way', async () => {
  const { clock, local, listener, taken } = await listening()
  const [silent, spoken] = [await call(local), await call(local)]
  writeFrame(spoken.socket, HELLO)
  await waitFor(() => taken.length === 1 && clock.pendingTimers === 1, 'both')
  await Promise.all([listener.close(), listener.close()])
  await listener.close()
  await waitFor(() => silent.isClosed() && spoken.isClosed() && clock.pendingTimers === 0, 'their ends')
  assert.is(await dialTcp(local, new RealClock(), new AbortController().signal), undefined, 'the port is free')
})

test('a port that cannot be had says so', async () => {
  const { clock, local, listener } = await listening()
  const attempts: [Address, string][] = [
    [local, 'ADDRESS_IN_USE'],
    [{ host: '192.0.2.1', port: local.port }, 'CONFIG_INVALID'],
  ]
  for (const [address, code] of attempts) {
    const error = await TcpListener.listen({ local: address, clock, onFrame: () => false }).catch((thrown) => thrown)
    assert.ok(isHomewardError(error))
    assert.is(error.code, code)
  }
  await listener.close()
})

test('dials whoever accepts, and nobody else', async () => {
  const { clock, local, listener, taken } = await listening()
  const socket = await dialTcp(local, clock, new AbortController().signal)
  if (socket === undefined) throw new Error('no connection')
  writeFrame(socket, HELLO)
  await waitFor(() => taken.length === 1, 'the connection')
  await listener.close()
  // Its end is no error that nobody handles.
  if (!socket.destroyed) await once(socket, 'close')
  assert.is(await dialTcp(local, clock, new AbortController().signal), undefined, 'refused')
  assert.is(clock.pendingTimers, 0)
})

/** A process that listens and accepts nothing: once its queue is full, a connection gets no answer at all. */
async function deaf(): Promise<{ child: ChildProcess; address: Address; fillers: Socket[] }> {
  const script = `
    const server = require('node:net').createServer()
    server.listen({ host: '${HOST}', port: 0, backlog: 1 }, () => {
      require('node:fs').writeSync(1, server.address().port + '\\n')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    })`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [chunk] = (await once(child.stdout, 'data')) as [Buffer]
  const address = { host: HOST, port: Number(chunk.toString()) }
  const fillers = Array.from({ length: 8 }, () => connect(address).on('error', () => {}))
  await pause(100)
  return { child, address, fillers }
}

test('a dial that gets no answer is given up in time, or when it is called off', async () => {
  const { child, address, fillers } = await deaf()
  const clock = new FakeClock()
  const results: (Socket | undefined)[] = []
  const cancel = new AbortController()
  const note = (result: Socket | undefined) => results.push(result)
  const late = dialTcp(address, clock, new AbortController().signal).then(note)
  await clock.advance(DIAL_WITHIN_MS - 1)
  await pause()
  assert.equal(results, [])
  const calledOff = dialTcp(address, clock, cancel.signal).then(note)
  await clock.advance(1)
  await late
  assert.equal(results, [undefined])
  cancel.abort()
  await calledOff
  assert.is(clock.pendingTimers, 0)
  assert.is(await dialTcp(address, clock, cancel.signal), undefined, 'called off before it began')
  assert.is(clock.pendingTimers, 0)
  for (const socket of fillers) socket.destroy()
  child.kill('SIGKILL')
  await once(child, 'exit')
})

test.run()
