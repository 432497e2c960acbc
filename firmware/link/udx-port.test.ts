import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../wire/errors.ts'
import type { Address } from './address.ts'
import { UdxPort } from './udx-port.ts'

const on = (port: UdxPort): Address => ({ host: '127.0.0.1', port: port.local.port })

function heard(port: UdxPort, kind: number): Promise<{ message: number[]; from: Address }> {
  return new Promise((resolve) => port.listen(kind, (message, from) => resolve({ message: [...message], from })))
}

test('datagrams go to the listener of their first byte', async () => {
  const [a, b] = [new UdxPort({ host: '127.0.0.1' }), new UdxPort({ host: '127.0.0.1' })]
  const [one, two] = [heard(b, 1), heard(b, 2)]
  for (const message of [[], [9, 9], [0xff, 1, 2], [0xff, 1, ...new Array(30).fill(0)], [2, 20], [1, 10]]) {
    a.send(Uint8Array.from(message), b.local)
  }
  assert.equal(await one, { message: [1, 10], from: a.local })
  assert.equal(await two, { message: [2, 20], from: a.local })
  await Promise.all([a.close(), b.close()])
})

test('one listener for each kind, and none for udx’s', async () => {
  const port = new UdxPort({ host: '127.0.0.1' })
  const stop = port.listen(1, () => {})
  assert.throws(
    () => port.listen(1, () => {}),
    (error: unknown) => isHomewardError(error, 'INTERNAL'),
  )
  assert.throws(
    () => port.listen(0xff, () => {}),
    (error: unknown) => isHomewardError(error, 'INTERNAL'),
  )
  stop()
  stop()
  port.listen(1, () => {})
  await port.close()
})

test('a port on every address is reached over IPv4 as IPv4', async () => {
  const [a, b] = [new UdxPort({ host: '127.0.0.1' }), new UdxPort()]
  const got = heard(b, 1)
  a.send(Uint8Array.of(1), on(b))
  assert.equal((await got).from, a.local)
  const back = heard(a, 3)
  b.send(Uint8Array.of(3), a.local)
  assert.equal((await back).from, on(b))
  await Promise.all([a.close(), b.close()])
})

test('an address that is taken, or not ours, says so', async () => {
  const other = createSocket('udp4')
  other.bind(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address()
  assert.throws(
    () => new UdxPort({ host: '127.0.0.1', port }),
    (error: unknown) => isHomewardError(error, 'ADDRESS_IN_USE'),
  )
  assert.throws(
    () => new UdxPort({ host: '192.0.2.77', port: 0 }),
    (error: unknown) => isHomewardError(error, 'CONFIG_INVALID'),
  )
  other.close()
})

test('closing is idempotent, ends the streams and frees the address', async () => {
  const a = new UdxPort({ host: '127.0.0.1' })
  const ids = Array.from({ length: 20 }, () => a.openStream().id)
  assert.is(new Set(ids).size, 20)
  assert.ok(ids.every((id) => id > 0 && id < 2 ** 32))
  const connected = a.openStream()
  connected.connect(77, a.local)
  connected.bytes.write(new Uint8Array(1000))
  const gone = new Promise<void>((resolve) => connected.bytes.on('close', resolve))
  await Promise.all([a.close(), a.close()])
  await gone
  a.send(Uint8Array.of(1), a.local)
  assert.throws(() => a.openStream())
  const again = new UdxPort({ host: '127.0.0.1', port: a.local.port })
  await again.close()
})

test('idle is a port that has no stream left', async () => {
  const port = new UdxPort({ host: '127.0.0.1' })
  await port.whenIdle()
  const [one, two] = [port.openStream(), port.openStream()]
  let isIdle = false
  const idle = port.whenIdle().then(() => {
    isIdle = true
  })
  one.bytes.destroy()
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.is(isIdle, false)
  two.bytes.destroy()
  await idle
  await port.close()
})

test.run()
