import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { clipText } from '../wire/session.ts'
import type { LastAttempt, LinkStatus, TriedCandidate } from './link-status.ts'
import { pathReason } from './path-reason.ts'

const attempt: LastAttempt = {
  ...{ agoMs: 1, candidates: [], lookUp: { result: 'answered' }, search: { result: 'none' }, why: '' },
  nat: { camera: 'cone', storage: 'cone' },
}

function reason(path: NonNullable<LinkStatus['path']>, more: Partial<LastAttempt> = {}): string {
  const text = pathReason({ state: 'connected', path, lastAttempt: { ...attempt, ...more } }) ?? ''
  assert.is(clipText(text), text, 'whole in a message')
  return text
}

const tried = (address: string, result: TriedCandidate['result']): TriedCandidate => {
  return { address, path: 'punched', source: 'observed', result }
}

test('without a path there is no reason for one', () => {
  assert.is(pathReason({ state: 'walking', lastAttempt: attempt }), undefined)
  assert.is(pathReason({ state: 'idle' }), undefined)
})

test('a direct path is plain', () => {
  assert.is(reason('lan'), 'in the same network')
  assert.is(reason('punched'), 'directly through the routers of both sides')
  assert.match(reason('punched', { search: { result: 'found' } }), /found by a search$/)
})

test('relayed, because of the NATs', () => {
  const both = { camera: 'symmetric', storage: 'symmetric' } as const
  assert.match(reason('relay-udp', { nat: both }), /^relayed .* because the routers of both sides/)
  const own = { ...both, storage: 'cone' } as const
  assert.match(reason('relay-udp', { nat: own }), /router of the camera gives every peer another port$/)
  assert.match(reason('relay-udp', { nat: own, search: { result: 'failed' } }), /found none$/)
  assert.match(reason('relay-udp', { nat: own, search: { result: 'running' } }), /under way$/)
  assert.match(reason('relay-udp', { nat: { ...both, camera: 'cone' } }), /router of the storage device/)
})

test('relayed, because nothing answers, or nothing came of it', () => {
  const [a, b] = ['192.0.2.1:7441', '[2001:db8::1]:7441']
  assert.match(reason('relay-udp'), /no address of the storage device is known$/)
  assert.match(reason('relay-udp', { candidates: [tried(a, 'silent')] }), /does not answer at 192\.0\.2\.1:7441$/)
  assert.match(
    reason('relay-udp', { candidates: [tried(a, 'silent'), tried(b, 'waiting')] }),
    /does not answer at any of 2 addresses$/,
  )
  assert.match(
    reason('relay-udp', { candidates: [tried(a, 'silent'), tried(b, 'failed')] }),
    /no channel came of \[2001:db8::1\]:7441, though it answered$/,
  )
})

test('over TLS, because no UDP gets through', () => {
  const relay = (result: TriedCandidate['result']) => ({ path: 'relay-udp', source: 'server', result }) as const
  assert.match(reason('relay-tls', { candidates: [relay('failed')] }), /over TLS, because no UDP gets through/)
  assert.match(reason('relay-tls', { candidates: [relay('opening')] }), /no UDP has got through yet$/)
})

test.run()
