/** Alerts told to another program: signed, again until they are taken, and never in the way of the agent's end. */
import { createHmac } from 'node:crypto'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../../platform/clock-fake.ts'
import { RealClock } from '../../platform/clock-real.ts'
import { isHomewardError } from '../../wire/errors.ts'
import type { Alert } from './api.ts'
import { SIGNATURE_HEADER, Webhook } from './webhook.ts'

const ALERT: Alert = {
  ...{ id: 'nothing-stored C', kind: 'nothing-stored', severity: 'critical', camera: 'C', message: 'm.', hint: 'h.' },
  sinceMs: 1,
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'homeward-'))
  try {
    await work(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('a real receiver gets it signed over the bytes that came; the settings outlive a restart, for their owner alone', async () => {
  await inFolder(async (stateDir) => {
    const got: { headers: IncomingHttpHeaders; body: string }[] = []
    const server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString()
      })
      request.on('end', () => {
        got.push({ headers: request.headers, body })
        response.writeHead(204).end()
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const options = { stateDir, device: 'UID', clock: new RealClock() }
    const first = await Webhook.open(options)
    await first.set(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, 'secret')
    assert.is((await stat(join(stateDir, 'webhook.json'))).mode & 0o777, 0o600)
    const webhook = await Webhook.open(options)
    assert.equal(await webhook.test(), { ok: true, detail: 'HTTP status 204' })
    webhook.tell([{ event: 'raised', alert: ALERT }])
    while (got.length < 2) await new Promise((resolve) => setTimeout(resolve, 5))
    const { headers, body } = got[1] ?? { headers: {}, body: '' }
    assert.is(headers[SIGNATURE_HEADER], `sha256=${createHmac('sha256', 'secret').update(body).digest('hex')}`)
    const { event, alert, device } = JSON.parse(body) as { event: string; alert: Alert; device: string }
    assert.equal([event, alert, device], ['raised', ALERT, 'UID'])
    assert.equal([webhook.answer.signed, webhook.answer.last?.ok], [true, true])
    await webhook.close()
    server.closeAllConnections()
    server.close()
  })
})

test('what is not taken is sent again with growing pauses, in order, and given up after a day', async () => {
  await inFolder(async (stateDir) => {
    const clock = new FakeClock()
    const sent: string[] = []
    let works = false
    const send = async (_url: unknown, init?: RequestInit) => {
      const { event } = JSON.parse(String(init?.body)) as { event: string }
      sent.push(event)
      if (!works) throw new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') })
      return new Response(null, { status: 200 })
    }
    const webhook = await Webhook.open({ stateDir, device: 'UID', clock, send: send as typeof fetch })
    webhook.tell([{ event: 'raised', alert: ALERT }])
    assert.equal(sent, [], 'without an address nothing is sent')
    await webhook.set('https://hook.example/x', null)
    webhook.tell([{ event: 'raised', alert: ALERT }])
    webhook.tell([{ event: 'cleared', alert: ALERT }])
    for (const pauseMs of [0, 1_000, 5_000, 30_000, 120_000, 600_000, 600_000]) await clock.advance(pauseMs)
    assert.equal(sent, Array(7).fill('raised'))
    assert.is(webhook.answer.last?.detail, 'connect ECONNREFUSED')
    works = true
    await clock.advance(600_000)
    assert.equal(sent.slice(7), ['raised', 'cleared'])
    works = false
    webhook.tell([{ event: 'raised', alert: ALERT }])
    await clock.advance(24 * 3_600_000 + 700_000)
    const tries = sent.length
    await clock.advance(3_600_000)
    assert.is(sent.length, tries, 'old news')
    webhook.tell([{ event: 'raised', alert: ALERT }])
    await clock.advance(0)
    await webhook.close()
    assert.is(clock.pendingTimers, 0)
  })
})

test('an address that is none is refused', async () => {
  await inFolder(async (stateDir) => {
    const webhook = await Webhook.open({ stateDir, device: 'UID', clock: new FakeClock() })
    for (const url of ['', 'x', 'ftp://a', 'file:///etc/passwd', 'javascript:1']) {
      const [{ reason }] = (await Promise.allSettled([webhook.set(url, null)])) as [PromiseRejectedResult]
      assert.ok(isHomewardError(reason, 'USAGE'), url)
    }
    await webhook.close()
  })
})

test.run()
