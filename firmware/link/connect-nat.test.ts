// time-out: 120 s
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { type Random, seededRandom } from '../platform/random.ts'
import type { Address } from './address.ts'
import type { ChannelPath } from './channel.ts'
import { CameraDriver } from './connect-nat-camera-fixture.ts'
import { FakeServer } from './connect-nat-server-fixture.ts'
import { StorageDriver } from './connect-nat-storage-fixture.ts'
import type { Weather } from './datagram-port-fake.ts'
import { SEARCH_AGAIN_MS, UPGRADE_AFTER_MS } from './link-state.ts'
import type { NatKind as SeenNat } from './nat.ts'
import { type NatKind, Realm } from './nat-fake.ts'
import { isBetter } from './path-rank.ts'

const SEED = 71

const SERVER: Address = { host: '192.0.2.1', port: 3478 }
const CAMERA: Address = { host: '192.168.1.20', port: 7441 }
const STORAGE: Address = { host: '192.168.2.10', port: 7441 }
/** A bad line: what is sent just once may be gone, and what is sent later may be there first. */
const BAD: Partial<Weather> = { lossRatio: 0.05, repeatRatio: 0.02, minDelayMs: 5, maxDelayMs: 45 }

const LETTERS = { I: 'endpoint-independent', A: 'address-dependent', P: 'address-and-port-dependent' } as const

/** By mapping and filtering: I? is a cone, full with I, restricted with A, port-restricted with P; PP is symmetric. */
function kindOf(name: string): NatKind {
  const [mapping, filtering] = [...name].map((letter) => LETTERS[letter as keyof typeof LETTERS])
  const blocksUdp = mapping === undefined || filtering === undefined
  return { mapping: mapping ?? LETTERS.I, filtering: filtering ?? LETTERS.I, blocksUdp, bindingMs: 30_000 }
}

/** Both of the server's ports are on one host. */
function seenOf(name: string): SeenNat {
  return name === 'no UDP' ? 'unknown' : name.startsWith('P') ? 'symmetric' : 'cone'
}

const COLUMNS = ['II', 'IA', 'IP', 'AI', 'AA', 'AP', 'PI', 'PA', 'PP', 'no UDP'] as const

/**
 * The best path between a camera and a storage device behind two NATs: p(unched), u(dp relay), t(ls relay). Whoever lets in
 * only ports that it sent to needs a cone at the other end; and of two that map anew for every host, one has to let in
 * anybody. s(earched): punched once the right port was found, see port-search.ts.
 */
const TABLE: Record<(typeof COLUMNS)[number], string> = {
  II: 'p p p p p p p p p t',
  IA: 'p p p p p p p p p t',
  IP: 'p p p u u u s s s t',
  AI: 'p p u p p u p p u t',
  AA: 'p p u p u u p s u t',
  AP: 'p p u u u u u u u t',
  PI: 'p p s p p u p p u t',
  PA: 'p p s p s u p u u t',
  PP: 'p p s u u u u u u t',
  'no UDP': 't t t t t t t t t t',
}

const PATH_OF: Record<string, ChannelPath> = { p: 'punched', s: 'punched', u: 'relay-udp', t: 'relay-tls' }

interface Pair {
  readonly name: string
  readonly kinds: readonly [NatKind, NatKind]
  readonly best: ChannelPath
  readonly searched: boolean
  /** What the server's two ports see. */
  readonly seen: readonly [SeenNat, SeenNat]
}

const PAIRS = Object.entries(TABLE).flatMap(([row, cells]) =>
  cells.split(' ').map((cell, index): Pair => {
    const column = COLUMNS[index] ?? ''
    const seen = [seenOf(row), seenOf(column)] as const
    const best = PATH_OF[cell] ?? 'lan'
    return { name: `${row} to ${column}`, kinds: [kindOf(row), kindOf(column)], best, searched: cell === 's', seen }
  }),
)

/** What came of it: devices that run, and the way to wait for a path. */
interface World {
  readonly clock: FakeClock
  readonly camera: CameraDriver
  /** Whether the camera is on this path within that time. */
  until(path: ChannelPath, withinMs: number): Promise<boolean>
  close(): Promise<void>
}

/** A storage device, and a camera that starts when the other has been there for a while. */
async function between(
  around: { readonly clock: FakeClock; readonly random: Random; readonly internet: Realm },
  homes: readonly [Realm, Realm],
  nats: readonly [SeenNat, SeenNat] = ['unknown', 'unknown'],
): Promise<World> {
  const { clock, random, internet } = around
  const server = new FakeServer(internet.open(SERVER))
  let lastPort = 10_000
  const open =
    (home: Realm, { host }: Address) =>
    () =>
      home.open({ host, port: ++lastPort })
  const storage = new StorageDriver({
    ...{ clock, random, server, port: homes[1].open(STORAGE), nat: nats[1], openSocket: open(homes[1], STORAGE) },
  })
  await clock.advance(2_500)
  const camera = new CameraDriver({
    ...{ clock, random, server, storage, port: homes[0].open(CAMERA) },
    ...{ nat: nats[0], openSocket: open(homes[0], CAMERA) },
  })
  const until = async (path: ChannelPath, withinMs: number) => {
    for (let passedMs = 0; passedMs < withinMs && camera.path !== path; passedMs += 50) await clock.advance(50)
    return camera.path === path
  }
  const close = async () => {
    camera.close()
    storage.close()
    assert.is(camera.open, 0)
    await clock.advance(1_000)
    assert.is(clock.pendingTimers, 0)
  }
  return { clock, camera, until, close }
}

function internetFor(seed: number, weather: Partial<Weather> = {}) {
  const [clock, random] = [new FakeClock(), seededRandom(seed)]
  return { clock, random, internet: Realm.internet(clock, random, weather) }
}

/** The first walk, every upgrade but the rare ones, a second search, and time to open. */
const PATIENCE_MS = UPGRADE_AFTER_MS[0] + UPGRADE_AFTER_MS[1] + UPGRADE_AFTER_MS[2] + SEARCH_AGAIN_MS[0] + 10_000

test('on a good line every pair is on its best path at once, and on no other before', async () => {
  for (const { name, kinds, best, searched, seen } of PAIRS) {
    const around = internetFor(SEED)
    const [near, far] = kinds.map((kind, index) => around.internet.nat(`203.0.113.${index}`, kind).inside)
    if (near === undefined || far === undefined) throw new Error('there are two NATs')
    const { clock, camera, until, close } = await between(around, [near, far], seen)
    assert.ok(await until(best, searched ? 10_000 : 3_000), `${name}: on ${camera.path}, not on ${best}`)
    await clock.advance(6_000)
    assert.equal(camera.used, searched ? ['relay-udp', best] : [best], name)
    await close()
  }
})

test(`on a bad line, over NATs that restart and forget, every pair ends on its best path (seed ${SEED})`, async () => {
  for (const [index, { name, kinds, best, seen }] of PAIRS.entries()) {
    const around = internetFor(SEED + index, BAD)
    const nats = kinds.map((kind, at) => around.internet.nat(`203.0.113.${at}`, kind))
    const [near, far] = nats
    if (near === undefined || far === undefined) throw new Error('there are two NATs')
    const { clock, camera, until, close } = await between(around, [near.inside, far.inside], seen)
    const what = `${name}, seed ${SEED + index}`
    assert.ok(await until(best, PATIENCE_MS), `${what}: on ${camera.path}, not on ${best}`)
    for (const restarted of [[near], [far], nats]) {
      const { length } = camera.used
      for (const nat of restarted) nat.flush()
      await clock.advance(9_000)
      assert.ok(await until(best, PATIENCE_MS), `${what}: on ${camera.path} after a restart, not on ${best}`)
      assert.ok(best === 'relay-tls' || camera.used.length > length, `${what}: by another channel`)
    }
    assert.is(camera.used.filter((path) => isBetter(path, best)).length, 0, `${what}: ${camera.used}`)
    await close()
  }
})

test('a channel holds its own mappings, and those to the server that were forgotten meanwhile are made again', async () => {
  const forgetful = (name: string): NatKind => ({ ...kindOf(name), bindingMs: 12_000 })
  for (const [name, best] of [
    ['IP', 'punched'],
    ['PP', 'relay-udp'],
  ] as const) {
    const around = internetFor(SEED)
    const nats = [0, 1].map((index) => around.internet.nat(`203.0.113.${index}`, forgetful(name)))
    const [near, far] = nats
    if (near === undefined || far === undefined) throw new Error('there are two NATs')
    const { clock, camera, until, close } = await between(around, [near.inside, far.inside])
    assert.ok(await until(best, 3_000), name)
    // Longer than a mapping lives, and over several upgrades.
    await clock.advance(200_000)
    assert.equal(camera.used, [best], name)
    far.flush()
    await clock.advance(9_000)
    assert.ok(await until(best, PATIENCE_MS), `${name}: on ${camera.path} after a restart`)
    assert.ok(camera.used.length > 1, name)
    await close()
  }
})

test('two devices behind one NAT meet in their LAN, whatever the NAT', async () => {
  for (const kind of COLUMNS) {
    const around = internetFor(SEED)
    const home = around.internet.nat('203.0.113.1', kindOf(kind)).inside
    const { clock, camera, until, close } = await between(around, [home, home])
    assert.ok(await until('lan', 3_000), kind)
    await clock.advance(6_000)
    // Without UDP to the server it takes a while to hear where the storage device is.
    assert.equal(camera.used, kind === 'no UDP' ? ['relay-tls', 'lan'] : ['lan'], kind)
    await close()
  }
})

test('two houses behind one carrier meet where its NAT has a hairpin', async () => {
  for (const hairpin of [true, false]) {
    const around = internetFor(SEED)
    const carrier = around.internet.nat('203.0.113.1', { ...kindOf('IP'), hairpin }).inside
    const houses = [
      carrier.nat('100.64.0.1', kindOf('IP')).inside,
      carrier.nat('100.64.0.2', kindOf('IP')).inside,
    ] as const
    const { camera, until, close } = await between(around, houses)
    assert.ok(await until(hairpin ? 'punched' : 'relay-udp', 3_000), `hairpin ${hairpin}: ${camera.path}`)
    await close()
  }
})

test('a NAT that keeps ports is as good as a cone, though it maps and filters by port', async () => {
  const linux: NatKind = { ...kindOf('PP'), preservesPorts: true }
  for (const other of [linux, kindOf('IP')]) {
    const around = internetFor(SEED)
    const { internet } = around
    const houses = [internet.nat('203.0.113.1', linux).inside, internet.nat('203.0.113.2', other).inside] as const
    const { until, close } = await between(around, houses)
    assert.ok(await until('punched', 3_000))
    await close()
  }
})

test('another device under the storage device’s own address in the camera’s LAN is not taken for it', async () => {
  const around = internetFor(SEED)
  const { internet } = around
  const houses = [
    internet.nat('203.0.113.1', kindOf('IP')).inside,
    internet.nat('203.0.113.2', kindOf('IP')).inside,
  ] as const
  houses[0].open(STORAGE)
  const { camera, until, close } = await between(around, houses)
  assert.ok(await until('punched', 3_000))
  assert.equal(camera.used, ['punched'])
  await close()
})

test.run()
