/** How much of the storage device's one event loop may be asked for over HTTP: the footage comes first. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { RateLimit } from '../../link/rate-limit.ts'
import type { Clock } from '../../platform/clock.ts'
import { HomewardError } from '../../wire/errors.ts'
import { errorAnswer } from './answers.ts'
import { addressGroup } from './backoff.ts'
import type { Pace } from './pace.ts'

/** A page with 64 stills opens at once; a player at 16 times the speed asks four times a second. */
const REQUESTS = { perSecond: 50, burst: 600 } as const
/** Bounds the memory that a flood of addresses takes. */
const ADDRESSES_MAX = 4096
/** No browser sends a request before the one before is answered. */
const PIPELINED_MAX = 4
const RETRY_MS = 1000

/** `listener` gets one request in each turn of the loop. Who asks too much gets status 429, and his connection is closed. */
export function fairly(
  listener: RequestListener,
  pace: Pace,
  clock: Clock,
  headers: Readonly<Record<string, string>>,
): RequestListener {
  const limit = new RateLimit(clock, REQUESTS, ADDRESSES_MAX)
  const unanswered = new WeakMap<Socket, number>()
  return (request, response) => {
    const { socket } = request
    const count = (unanswered.get(socket) ?? 0) + 1
    if (count > PIPELINED_MAX) {
      socket.destroy()
      return
    }
    unanswered.set(socket, count)
    response.once('close', () => unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1))
    const mayAsk = limit.allows(addressGroup(socket.remoteAddress ?? ''))
    const serve = () => {
      if (!socket.destroyed) listener(request, response)
    }
    if (!mayAsk || !pace.add(serve)) refuse(request, response, headers)
  }
}

function refuse(request: IncomingMessage, response: ServerResponse, headers: Readonly<Record<string, string>>): void {
  request.resume()
  const error = new HomewardError('TOO_MANY', 'too much was asked from this address', {
    hint: `At most ${REQUESTS.perSecond} requests a second: wait a moment.`,
  })
  const { status, body } = errorAnswer(error, RETRY_MS)
  const text = Buffer.from(JSON.stringify(body))
  response.writeHead(status, {
    ...headers,
    'content-length': text.byteLength,
    ...{ 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store', connection: 'close' },
    'retry-after': String(RETRY_MS / 1000),
  })
  response.end(text)
}
