import { createServer, type Server, type Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type ErrorCode, isHomewardError } from '../../firmware/wire/errors.ts'
import { askRunning, parseRunning, sendUpdate } from './send.ts'

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
      const answer = await sendUpdate('127.0.0.1', 'qemu/camera', update, (line) => lines.push(line), port)
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
        sendUpdate('127.0.0.1', 'qemu/storage', Buffer.alloc(9), () => undefined, port),
      )
      assert.is(code, 'CONFIG_INVALID')
      assert.match(message, /is a qemu\/camera, the update is for qemu\/storage/)
    },
  )
  assert.is(received, 0)
})

const ANSWERS: [string, string, ErrorCode, RegExp][] = [
  ['a refusal', `${BANNER}ERR signature is wrong\n`, 'INTERNAL', /refused the update: signature is wrong/],
  ['a stranger', 'SSH-2.0-OpenSSH_9.2\n', 'FRAME_MALFORMED', /is no Homeward device: "SSH-2\.0/],
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
          sendUpdate('127.0.0.1', 'qemu/camera', Buffer.alloc(9), () => undefined, port),
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
