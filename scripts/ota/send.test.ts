import { createServer, type Server, type Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type ErrorCode, isHomewardError } from '../../firmware/wire/errors.ts'
import { askRunning, parseRunning, sendUpdate } from './send.ts'
import { updateDevice } from './update.ts'

const BANNER = 'HOMEWARD qemu/camera 0.1.0.38 slot=A trial=no\n'

async function withDevice(serve: (socket: Socket) => void, work: (port: number) => Promise<void>): Promise<void> {
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined)
    serve(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  try {
    await work(typeof address === 'object' && address !== null ? address.port : 0)
  } finally {
    await new Promise((resolve) => server.close(resolve))
  }
}

async function refusal(work: Promise<unknown>): Promise<[ErrorCode | undefined, string]> {
  try {
    await work
    return [undefined, 'nothing was wrong']
  } catch (error) {
    return isHomewardError(error) ? [error.code, error.message] : [undefined, String(error)]
  }
}

test('the first line of a device', () => {
  assert.equal(parseRunning(BANNER.trim()), { board: 'qemu/camera', version: '0.1.0.38', slot: 'A', trial: false })
  assert.is(parseRunning(`${BANNER.trim()} undone=0.1.0.39`)?.undone, '0.1.0.39')
  assert.is(parseRunning('HOMEWARD qemu/camera 0.1.0.38 slot=C trial=no'), undefined)
  assert.is(parseRunning('SSH-2.0-OpenSSH_9.2'), undefined)
})

test('an update goes over whole, and what the device says comes back', async () => {
  const update = Buffer.alloc(300_000, 'update')
  let received = 0
  await withDevice(
    (socket) => {
      socket.write(BANNER)
      socket.on('data', (bytes) => {
        received += bytes.length
      })
      socket.on('end', () => socket.end('writing\nOK written\n'))
    },
    async (port) => {
      const lines: string[] = []
      const answer = await sendUpdate(
        '127.0.0.1',
        { board: 'qemu/camera', bytes: update },
        (line) => lines.push(line),
        port,
      )
      assert.is(answer, 'OK written')
      assert.is(received, update.length)
      assert.equal(lines, ['127.0.0.1: qemu/camera 0.1.0.38, slot A', 'writing'])
    },
  )
})

test('who only asks sends nothing', async () => {
  await withDevice(
    (socket) => {
      socket.write(BANNER)
      socket.on('end', () => socket.end())
    },
    async (port) => assert.is((await askRunning('127.0.0.1', port)).version, '0.1.0.38'),
  )
})

test('another board gets nothing', async () => {
  let received = 0
  await withDevice(
    (socket) => {
      socket.write(BANNER)
      socket.on('data', (bytes) => {
        received += bytes.length
      })
      socket.on('end', () => socket.end())
    },
    async (port) => {
      const [code, message] = await refusal(
        sendUpdate('127.0.0.1', { board: 'qemu/storage', bytes: Buffer.alloc(9) }, () => undefined, port),
      )
      assert.is(code, 'CONFIG_INVALID')
      assert.match(message, /is a qemu\/camera, the update is for qemu\/storage/)
    },
  )
  assert.is(received, 0)
})

test('the version that runs there already is not sent', async () => {
  await withDevice(
    (socket) => {
      socket.write(BANNER)
      socket.on('data', () => assert.unreachable('nothing may be sent'))
      socket.on('end', () => socket.end())
    },
    async (port) => {
      const update = { board: 'qemu/camera', version: '0.1.0.38', bytes: Buffer.alloc(9) }
      const [code, message] = await refusal(sendUpdate('127.0.0.1', update, () => undefined, port))
      assert.is(code, 'CONFIG_INVALID')
      assert.match(message, /runs 0\.1\.0\.38 already/)
    },
  )
})

/** What the device says to whoever connects, one after the other; the first one sends. */
const ENDS: [string, string[], ErrorCode | undefined, RegExp][] = [
  ['kept after a trial', ['0.2 slot=B trial=yes', '0.2 slot=B trial=no'], undefined, /nothing was wrong/],
  [
    'left after a trial',
    ['0.2 slot=B trial=yes', '0.1 slot=A trial=no'],
    'INTERNAL',
    /went back to 0\.1: 0\.2 did not/,
  ],
  ['never seen running', ['0.1 slot=A trial=no undone=0.2'], 'INTERNAL', /went back to 0\.1: 0\.2 did not/],
  ['another one was undone before', ['0.1 slot=A trial=no undone=0.15'], 'TIMED_OUT', /did not come back/],
  ['gone for good', [], 'TIMED_OUT', /did not come back/],
]
for (const [what, states, expected, words] of ENDS) {
  test(`an update is ${what}`, async () => {
    let calls = 0
    await withDevice(
      (socket) => {
        const state = calls === 0 ? '0.1 slot=A trial=no' : states[Math.min(calls, states.length) - 1]
        calls += 1
        if (state === undefined) return socket.destroy()
        socket.write(`HOMEWARD qemu/camera ${state}\n`)
        socket.resume()
        socket.on('end', () => socket.end('OK written\n'))
      },
      async (port) => {
        const update = { board: 'qemu/camera', version: '0.2', bytes: Buffer.alloc(9) }
        const options = { port, askEveryMs: 5, settledWithinMs: 300 }
        const [code, message] = await refusal(updateDevice('127.0.0.1', update, () => undefined, options))
        assert.is(code, expected, message)
        assert.match(message, words)
      },
    )
  })
}

const ANSWERS: [string, string, ErrorCode, RegExp][] = [
  ['a refusal', `${BANNER}ERR signature is wrong\n`, 'NOT_ALLOWED', /refused the update: signature is wrong/],
  ['a stranger', 'SSH-2.0-OpenSSH_9.2\n', 'FRAME_MALFORMED', /is no Homeward device: it says "SSH-2\.0/],
  ['a device that hangs up', BANNER, 'CHANNEL_LOST', /hung up before it answered$/],
  ['one that says nothing', '', 'CHANNEL_LOST', /hung up before it said what it is/],
]
for (const [what, said, expected, words] of ANSWERS) {
  test(`told: ${what}`, async () => {
    await withDevice(
      (socket) => {
        socket.resume()
        socket.end(said)
      },
      async (port) => {
        const [code, message] = await refusal(
          sendUpdate('127.0.0.1', { board: 'qemu/camera', bytes: Buffer.alloc(9) }, () => undefined, port),
        )
        assert.is(code, expected)
        assert.match(message, words, message)
      },
    )
  })
}

test('nobody there', async () => {
  const [code] = await refusal(askRunning('127.0.0.1', 1))
  assert.is(code, 'CHANNEL_LOST')
})

test.run()
