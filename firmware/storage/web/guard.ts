/** Whoever guesses a password is kept waiting longer and longer; a browser that signed in before only by its own guesses. */
import type { FastifyRequest } from 'fastify'
import { HomewardError } from '../../wire/errors.ts'
import { addressGroup, type Backoff } from './backoff.ts'
import type { Gate } from './gate.ts'

export class Guard {
  readonly #gate: Gate
  readonly #backoff: Backoff

  constructor(gate: Gate, backoff: Backoff) {
    this.#gate = gate
    this.#backoff = backoff
  }

  /** `attempt` rejects for a wrong guess; it is told whether the browser is known here. Throws TOO_MANY. */
  async guess<T>(request: FastifyRequest, attempt: (known: boolean) => Promise<T>): Promise<T> {
    const browser = this.#gate.browserOf(request)
    const who = browser === undefined ? addressGroup(request.ip) : `browser ${browser}`
    const waitMs = this.#backoff.waitMs(who)
    if (waitMs > 0) {
      request.retryAfterMs = waitMs
      throw new HomewardError('TOO_MANY', 'too many wrong passwords came from here', {
        hint: `Try again in ${Math.ceil(waitMs / 1000)} s. A browser that signed in before does not wait for others.`,
      })
    }
    this.#backoff.attempt(who)
    const result = await attempt(browser !== undefined)
    this.#backoff.succeeded(who)
    return result
  }
}
