/** Servers that share what they know, with a store in memory that fails as it is told. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../../platform/clock-fake.ts'
import { toHex } from '../../wire/bytes.ts'
import { udpOrigin } from '../origin.ts'
import { MemoryRegistry } from './memory.ts'
import type { RegistrationPart, ServerName } from './registry.ts'
import { SharedRegistry } from './shared.ts'
import { FakeSharedPlace, FakeSharedStore } from './shared-store-fake.ts'

const uid = (value: number) => new Uint8Array(32).fill(value)
const from = udpOrigin({ host: '198.51.100.1', port: 40_000 })
const ONE: ServerName = { host: 'one.example', port: 7440, tls: 7443 }
const TWO: ServerName = { host: 'two.example', port: 7440 }

let serial = 0

function part(value: number, keys: string[], more: Partial<RegistrationPart> = {}): RegistrationPart {
  serial++
  const signature = new Uint8Array(64)
  new DataView(signature.buffer).setUint32(0, serial)
  const signed = { statement: new Uint8Array(1), signature }
  return { uid: uid(value), observed: from, signed, cookieMs: 1000 + serial, serial, part: 0, parts: 1, keys, ...more }
}

function scene() {
  const clock = new FakeClock()
  const place = new FakeSharedPlace()
  const open = (self: ServerName) => {
    const own = new MemoryRegistry(clock)
    const store = new FakeSharedStore(place, self)
    return { own, store, registry: new SharedRegistry(own, store) }
  }
  return { clock, place, open, one: open(ONE), two: open(TWO) }
}

/** What was begun has run as far as it can. */
const settle = () => new Promise<void>((resolve) => setTimeout(resolve, 0))

test('a server names the one that holds the device, and never itself', async () => {
  const { one, two } = scene()
  await one.registry.register(part(1, ['a', 'b']))
  await settle()
  assert.equal(await two.registry.elsewhere('b'), ONE)
  assert.is(await one.registry.elsewhere('b'), undefined)
  assert.is(await two.registry.elsewhere('c'), undefined)
  assert.is(await two.registry.find('b'), undefined)
  assert.ok(await one.registry.find('b'))
})

test('a key that is registered no more leads nowhere', async () => {
  const { one, two } = scene()
  await one.registry.register(part(1, ['a', 'b']))
  await one.registry.register(part(1, ['b']))
  await settle()
  assert.is(await two.registry.elsewhere('a'), undefined)
  assert.equal(await two.registry.elsewhere('b'), ONE)
})

test('a device that moves is forgotten where it was, and one that comes back is not', async () => {
  const { one, two } = scene()
  await one.registry.register(part(1, ['a']))
  await settle()
  await two.registry.register(part(1, ['a']))
  await settle()
  assert.is(await one.registry.find('a'), undefined)
  assert.equal(await one.registry.elsewhere('a'), TWO)
  assert.is(await one.registry.extend(uid(1), from), false, 'it has to register again')
  assert.is((await one.registry.stats()).sharing?.moved, 1)
  await one.registry.register(part(1, ['a']))
  await settle()
  assert.equal(await two.registry.elsewhere('a'), ONE)
  assert.ok(await one.registry.find('a'))
})

test('a word of a move that was missed: the next sign of life finds out', async () => {
  const { one, two, place } = scene()
  await one.registry.register(part(1, ['a']))
  await settle()
  place.holders.set(toHex(uid(1)), 'two.example:7440')
  assert.is(await one.registry.extend(uid(1), from), true, 'nothing waits for the store')
  await settle()
  assert.is(await one.registry.extend(uid(1), from), false)
  assert.is(await two.registry.find('a'), undefined)
})

test('while the store is gone each server knows its own, and what it missed it learns when it is back', async () => {
  const { one, two, place } = scene()
  await one.registry.register(part(1, ['a']))
  await settle()
  place.become('down')
  assert.is(await two.registry.elsewhere('a'), undefined)
  assert.is((await two.registry.stats()).sharing?.asked, 0, 'it is not even asked')
  assert.ok(await one.registry.find('a'))
  assert.is(await one.registry.register(part(2, ['c'])), 'stored')
  assert.is(await one.registry.extend(uid(1), from), true)
  await settle()
  assert.is(await one.registry.extend(uid(1), from), true, 'no answer is no reason to forget anybody')
  place.clear()
  place.become('up')
  await settle()
  assert.equal(await two.registry.elsewhere('a'), ONE)
  assert.equal(await two.registry.elsewhere('c'), ONE)
})

test('a store that fails in the middle: counted, and nobody is told anything wrong', async () => {
  const { one, place } = scene()
  place.isFailing = true
  assert.is(await one.registry.register(part(1, ['a'])), 'stored')
  assert.is(await one.registry.elsewhere('b'), undefined)
  await settle()
  assert.is((await one.registry.stats()).sharing?.failed, 2)
  place.isFailing = false
  await one.registry.extend(uid(1), from)
  await settle()
  assert.is(place.holders.get(toHex(uid(1))), 'one.example:7440')
})

test('so many questions at a time, while the store does not answer', async () => {
  const { one } = scene()
  let answer: (place: undefined) => void = () => {}
  one.store.find = () =>
    new Promise((resolve) => {
      const before = answer
      answer = (place) => {
        before(place)
        resolve(place)
      }
    })
  const asked = Array.from({ length: 300 }, (_, index) => one.registry.elsewhere(`${index}`))
  const { sharing } = await one.registry.stats()
  assert.equal([sharing?.asked, sharing?.limited], [256, 44])
  answer(undefined)
  await Promise.all(asked)
  const again = one.registry.elsewhere('x')
  answer(undefined)
  await again
  assert.is((await one.registry.stats()).sharing?.asked, 257)
})

test('a server that stops names itself no more', async () => {
  const { one, two, place } = scene()
  for (let value = 1; value <= 100; value++) await one.registry.register(part(value, [`key ${value}`]))
  await settle()
  assert.equal(await two.registry.elsewhere('key 100'), ONE)
  await one.registry.close()
  await one.registry.close()
  assert.is(one.store.isClosed, true)
  assert.is(await two.registry.elsewhere('key 100'), undefined)
  assert.equal([place.holders.size, place.places.size], [0, 0])
})

test.run()
