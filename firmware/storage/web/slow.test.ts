// time-out: 120 s
/**
 * Strangers that connect and say nothing, or hardly anything, while footage arrives. SLOW_CLIENTS=10000 for as many as that;
 * fewer by default, for the sake of the other tests.
 */
import { createConnection, type Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SECOND } from '../archive/archive-fixture.ts'
import { type Answer, nowUs, type WebHome, withHome } from './web-fixture.ts'

const CLIENTS = Number(process.env.SLOW_CLIENTS ?? 1500)

/** How long each of so many fragments took, sorted. */
async function stored(home: WebHome, first: number, count: number): Promise<number[]> {
  const tookMs: number[] = []
  for (let seq = first; seq < first + count; seq += 1) {
    const began = performance.now()
    await home.store({ seq, wallUs: nowUs() - 3600 * SECOND + seq * SECOND })
    tookMs.push(performance.now() - began)
  }
  return tookMs.sort((a, b) => a - b)
}

const p99 = (sorted: readonly number[]) => sorted[Math.floor(sorted.length * 0.99)] ?? 0

for (const tls of [false, true]) {
  test(`${tls ? 'HTTPS' : 'HTTP'}: ${CLIENTS} slow clients are refused, the owner still gets answers, footage is stored as before`, async () => {
    await withHome(
      async (home) => {
        await stored(home, 0, 20)
        const quiet = await stored(home, 20, 60)
        let ended = 0
        const sockets: Socket[] = Array.from({ length: CLIENTS }, (_, index) => {
          const socket = createConnection(home.port, '127.0.0.1')
          socket.on('error', () => undefined)
          socket.once('close', () => {
            ended += 1
          })
          // Some say nothing at all, some begin, some go on byte by byte.
          if (index % 3 > 0) socket.write('GET /api/v1/status HTTP/1.1\r\nHost: nas\r\nX: ')
          return socket
        })
        const dripping = setInterval(() => {
          for (const [index, socket] of sockets.entries()) if (index % 3 === 2 && socket.writable) socket.write('x')
        }, 500)
        const busy = await stored(home, 80, 60)
        const started = performance.now()
        while (home.web.connections.open > 0 && performance.now() - started < 40_000) {
          await new Promise((resolve) => setTimeout(resolve, 200))
        }
        clearInterval(dripping)
        assert.is(home.web.connections.open, 0, 'whoever is slow is let go')
        assert.ok(home.web.connections.refused > CLIENTS / 2, `${home.web.connections.refused} refused`)
        const answer: Pick<Answer, 'status'> = tls ? { status: 200 } : await home.ask('/healthz')
        assert.is(answer.status, 200)
        for (const socket of sockets) socket.destroy()
        assert.ok(ended > 0)
        const [before, during] = [p99(quiet), p99(busy)]
        // Client and server share this process: the strict figure is a bench's.
        assert.ok(
          during < Math.max(10 * before, 500),
          `p99 ${before.toFixed(1)} ms before, ${during.toFixed(1)} ms during`,
        )
      },
      { tls },
    )
  })
}

test('of connections from everywhere the oldest of whoever has most goes first', async () => {
  await withHome(
    async (home) => {
      const sockets = Array.from({ length: 12 }, () =>
        createConnection(home.port, '127.0.0.1').on('error', () => undefined),
      )
      await new Promise((resolve) => setTimeout(resolve, 200))
      assert.ok(home.web.connections.open <= 8, String(home.web.connections.open))
      assert.is((await home.ask('/healthz')).status, 200, 'a new one still gets in')
      for (const socket of sockets) socket.destroy()
    },
    { limits: { totalMax: 8, perAddressMax: 64 } },
  )
})

test.run()
