/** Who asks too much is told so, and let go; the others and the next minute are not. */
import { createConnection } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ApiError } from './api.ts'
import { askRaw, type WebHome, withHome } from './web-fixture.ts'

const REQUEST = 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'

/** What comes until the connection is closed, each request sent when `next` says so. */
function converse({ port }: WebHome, times: number, atOnce: number): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    let sent = 0
    const socket = createConnection(port, '127.0.0.1')
    const send = () => {
      sent += atOnce
      if (sent <= times) socket.write(REQUEST.repeat(atOnce))
      else socket.end()
    }
    socket.on('connect', send)
    socket.on('data', (part) => {
      text += part.toString('latin1')
      send()
    })
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(text))
  })
}

test('one after the other are answered up to a bound, then 429 and the end; later there are answers again', async () => {
  await withHome(async (home) => {
    const text = await converse(home, 5000, 1)
    const good = text.match(/HTTP\/1\.1 200/g)?.length ?? 0
    assert.ok(good >= 600 && good < 1500, String(good))
    const refusal = text.slice(text.indexOf('HTTP/1.1 429'))
    assert.match(refusal, /^retry-after: 1\r$/im)
    assert.match(refusal, /^x-content-type-options: nosniff\r$/im)
    const { error } = JSON.parse(refusal.slice(refusal.indexOf('{"error"'))) as ApiError
    assert.equal([error.code, error.retryAfterMs], ['TOO_MANY', 1000])
    await new Promise((resolve) => setTimeout(resolve, 200))
    assert.is((await askRaw(home.port, '/healthz')).status, 200)
  })
})

test('many requests at once on one connection end it', async () => {
  await withHome(async (home) => {
    const text = await converse(home, 500, 500)
    assert.ok((text.match(/HTTP\/1\.1/g)?.length ?? 0) <= 4, text.slice(0, 200))
    assert.is((await askRaw(home.port, '/healthz')).status, 200)
  })
})

test('who connects again and again is refused after a while', async () => {
  await withHome(async (home) => {
    let refused = 0
    for (let times = 0; times < 400; times += 1) {
      await askRaw(home.port, '/healthz').catch(() => {
        refused += 1
      })
    }
    assert.ok(refused > 0, 'none was refused')
    assert.is(home.web.connections.refused, refused)
  })
})

test.run()
