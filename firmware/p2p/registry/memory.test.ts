import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../../platform/clock-fake.ts'
import { randomBelow, seededRandom } from '../../platform/random.ts'
import { udpOrigin } from '../origin.ts'
import { MemoryRegistry, REGISTRATION_TTL_MS, REGISTRY_LIMITS } from './memory.ts'
import type { RegistrationPart } from './registry.ts'

const key = (value: number) => new Uint8Array(32).fill(value)
const address = (value: number, port = 40_000) => udpOrigin({ host: `198.51.100.${value}`, port })

let signatures = 0

/** A part of its own signature unless one is given. */
function part(uid: number, keys: string[], more: Partial<RegistrationPart> = {}): RegistrationPart {
  const signature = new Uint8Array(64)
  new DataView(signature.buffer).setUint32(0, ++signatures)
  return {
    uid: key(uid),
    observed: address(uid),
    signed: { statement: new Uint8Array(10).fill(uid), signature },
    cookieMs: 1000,
    serial: 1,
    part: 0,
    parts: 1,
    keys,
    ...more,
  }
}

function open(limits: Partial<typeof REGISTRY_LIMITS> = {}) {
  const clock = new FakeClock()
  return { clock, registry: new MemoryRegistry(clock, { ...REGISTRY_LIMITS, ...limits }) }
}

test('found by its keys, until it expires', async () => {
  const { clock, registry } = open()
  const first = part(1, ['a', 'b'])
  assert.is(await registry.register(first), 'stored')
  assert.equal(await registry.find('b'), { uid: key(1), signed: first.signed, observed: address(1) })
  assert.equal(await registry.locate(key(1)), address(1))
  assert.is(await registry.locate(key(2)), undefined)
  assert.is(await registry.find('c'), undefined)
  await clock.advance(REGISTRATION_TTL_MS - 1)
  assert.ok(await registry.find('a'))
  await clock.advance(1)
  assert.is(await registry.find('a'), undefined)
  assert.is(await registry.locate(key(1)), undefined)
  assert.equal(await registry.stats(), { uids: 0, keys: 0 })
})

test('extended by its own address only', async () => {
  const { clock, registry } = open()
  await registry.register(part(1, ['a']))
  await clock.advance(60_000)
  assert.is(await registry.extend(key(1), address(1, 1)), false)
  assert.is(await registry.extend(key(2), address(1)), false)
  assert.is(await registry.extend(key(1), address(1)), true)
  await clock.advance(60_000)
  assert.ok(await registry.find('a'))
  await clock.advance(60_000)
  assert.is(await registry.extend(key(1), address(1)), false)
})

test('the newest cookie wins, then the highest serial; a repetition changes nothing', async () => {
  const { registry } = open()
  const first = part(1, ['a'], { serial: 5 })
  assert.is(await registry.register(first), 'stored')
  assert.is(await registry.register(first), 'repeated')
  assert.is(await registry.register(part(1, ['b'], { serial: 5 })), 'outdated')
  assert.is(await registry.register(part(1, ['b'], { serial: 4 })), 'outdated')
  assert.is(await registry.register(part(1, ['b'], { serial: 9, cookieMs: 999 })), 'outdated')
  assert.is(await registry.register(part(1, ['b'], { serial: 6 })), 'stored')
  assert.is(await registry.register(part(1, ['c'], { serial: 1, cookieMs: 1001, observed: address(9) })), 'stored')
  assert.is(await registry.find('b'), undefined)
  assert.equal((await registry.find('c'))?.observed, address(9))
})

test('parts fill up in any order; old keys stay until their part is replaced', async () => {
  const { registry } = open()
  await registry.register(part(1, ['b'], { part: 1, parts: 2 }))
  await registry.register(part(1, ['a'], { part: 0, parts: 2 }))
  assert.is((await registry.stats()).keys, 2)
  assert.is(await registry.register(part(1, ['x'], { part: 2, parts: 3 })), 'outdated', 'another count, the same age')

  await registry.register(part(1, ['a', 'c'], { serial: 2, part: 0, parts: 2 }))
  assert.ok(await registry.find('b'), 'part 1 is still the old one')
  assert.is(await registry.register(part(1, ['z'], { serial: 1, part: 1, parts: 2 })), 'outdated')
  await registry.register(part(1, ['d'], { serial: 2, part: 1, parts: 2 }))
  assert.is(await registry.find('b'), undefined)

  await registry.register(part(1, ['a'], { serial: 3 }))
  assert.equal(await registry.stats(), { uids: 1, keys: 1 })
})

test('a key that moves from one part to another is never lost', async () => {
  const { registry } = open()
  await registry.register(part(1, ['a'], { part: 0, parts: 2 }))
  await registry.register(part(1, ['b'], { part: 1, parts: 2 }))
  await registry.register(part(1, ['a', 'b'], { serial: 2, part: 1, parts: 2 }))
  await registry.register(part(1, ['c'], { serial: 2, part: 0, parts: 2 }))
  for (const name of ['a', 'b', 'c']) assert.ok(await registry.find(name), name)
})

test('full: of devices, of keys, of one source; who is in may go on', async () => {
  const { clock, registry } = open({ uids: 2, keys: 6, uidsPerSource: 1, keysPerSource: 3 })
  assert.is(await registry.register(part(1, ['a', 'b'])), 'stored')
  assert.is(await registry.register(part(2, ['c'], { observed: address(1, 2) })), 'address-full')
  assert.is(await registry.register(part(2, ['c', 'd', 'e', 'f'])), 'address-full', 'keys of one source')
  assert.is(await registry.register(part(2, ['c', 'd', 'e'])), 'stored')
  assert.is(await registry.register(part(3, ['g'])), 'server-full')
  assert.is(await registry.register(part(1, ['a', 'b', 'h'], { serial: 2 })), 'stored')
  assert.is(await registry.register(part(1, ['a', 'i', 'j'], { serial: 3 })), 'server-full')
  assert.is(await registry.register(part(1, ['a'], { serial: 4, observed: address(2) })), 'address-full', 'moves in')
  assert.is(await registry.register(part(1, ['a'], { serial: 5, observed: address(7) })), 'stored', 'moves on')
  await clock.advance(REGISTRATION_TTL_MS)
  assert.is(await registry.register(part(3, ['g'])), 'stored', 'there is room again')
})

test('whatever happens, keys and devices are counted right and expire', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = seededRandom(seed)
    const pick = (bound: number) => randomBelow(random, bound)
    const { clock, registry } = open({ uids: 6, keys: 40, uidsPerSource: 3, keysPerSource: 20 })
    for (let step = 0; step < 200; step++) {
      const uid = pick(8)
      const parts = 1 + pick(3)
      const keys = Array.from({ length: pick(6) }, () => `${uid}-${pick(10)}`)
      const observed = address(pick(3))
      const more = { observed, keys, parts, part: pick(parts), cookieMs: step >> 2, serial: pick(4) }
      await registry.register(part(uid, keys, more))
      await registry.extend(key(pick(8)), address(pick(3)))
      const { uids, keys: count } = await registry.stats()
      assert.ok(uids <= 6 && count <= 40, `seed ${seed}, step ${step}`)
      if (pick(10) === 0) await clock.advance(pick(40_000))
    }
    await clock.advance(REGISTRATION_TTL_MS)
    assert.equal(await registry.stats(), { uids: 0, keys: 0 }, `seed ${seed}`)
    for (let uid = 10; uid < 13; uid++) {
      const result = await registry.register(part(uid, [`${uid}`], { observed: address(0) }))
      assert.is(result, 'stored', `seed ${seed}: nothing of the source's share stayed behind`)
    }
  }
})

test.run()
