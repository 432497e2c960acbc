import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  SEARCH_LIMIT_MS,
  SEARCH_SOCKETS,
  SPRAY_AT_ONCE,
  SPRAY_EVERY_MS,
  SPRAY_FIRST_PORT,
  SPRAY_PROBES,
  searchRole,
} from './port-search.ts'

test('who has the only symmetric NAT listens, the other sprays', () => {
  const nats = [undefined, 'unknown', 'none', 'cone', 'symmetric'] as const
  const roles = nats.map((own) => nats.map((other) => searchRole(own, other)?.[0] ?? '-').join(''))
  assert.equal(roles, ['-----', '-----', '----s', '----s', '--ll-'])
})

test('one search finds the port but for once in some hundreds, and is over before its limit', () => {
  const missed = (1 - SPRAY_PROBES / (65_536 - SPRAY_FIRST_PORT)) ** SEARCH_SOCKETS
  assert.ok(missed < 1 / 400, `${missed}`)
  const sprayMs = (SPRAY_PROBES / SPRAY_AT_ONCE) * SPRAY_EVERY_MS
  assert.ok(sprayMs + 3_000 < SEARCH_LIMIT_MS, `${sprayMs}`)
})

test.run()
