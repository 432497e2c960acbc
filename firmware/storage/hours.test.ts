// time-out: 3600 s
/**
 * Hours of footage squeezed into minutes: ring, uplink, sessions, intake and archive of a home in one process and in fake
 * time, while lines break, disks and cards fail and clocks jump, all from a seed. Each hour ends with every number accounted
 * for, and the process holds no more afterwards than after the first ones. HOMEWARD_HOURS: how many (2 of 3 minutes each).
 */
import { readdirSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import type { FakeDisk } from '../platform/disk-fake.ts'
import { type Random, randomBelow, seededRandom } from '../platform/random.ts'
import { openArchive } from './archive/archive.ts'
import { ROOT, SECOND, T0 } from './archive/archive-fixture.ts'
import { capture, Home, type HomeScene, isAccountedFor, newHome } from './both-sides-fixture.ts'

const HOURS = Number(process.env.HOMEWARD_HOURS ?? 0)
const LIVES = HOURS === 0 ? 4 : HOURS
const LIFE_S = HOURS === 0 ? 90 : 3600
const SEED = Number(process.env.HOMEWARD_SEED ?? Date.now() % 1_000_000)
/** Everything was used by then, and what is allocated for good is there. */
const WARM_UP_LIVES = Math.min(3, LIVES - 1)
/** A heap breathes; a home of an hour that is kept holds as much. */
const HEAP_GROWTH_MAX_BYTES = 6 * 1024 * 1024
const DRAINED_WITHIN_S = 600
/** A step of the clock that has lasted for a minute is believed; what a disk did not take then is tried again. */
const CLOCK_BELIEVED_S = 120
/** By so much the storage device's clock may have been read apart from the camera's. */
const DATE_SLACK_US = 3 * SECOND

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

interface Held {
  readonly heapBytes: number
  readonly files: number
  readonly timers: number
}

async function held(): Promise<Held> {
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setTimeout(resolve, 10))
    collectGarbage()
  }
  const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const { heapUsed, external } = process.memoryUsage()
  return { heapBytes: heapUsed + external, files: readdirSync('/proc/self/fd').length, timers }
}

/** However the clocks ran: in the end nothing is without a date, and all have that of the clock as it was set last. */
async function isDatedRight({ disk, home, identities }: HomeScene): Promise<void> {
  const camera = identities.camera.publicKey
  const settings = { disk, clock: new FakeClock(T0), root: ROOT, index: home, minFreeBytes: 0, commitDelayMs: 0 }
  const archive = await openArchive(settings)
  await archive.settledDates()
  const undated = archive.undatedFiles(camera).map(({ row }) => row.path)
  const files = archive.files(camera, 0, Number.MAX_SAFE_INTEGER)
  const wrong = files.filter(({ row }) => Math.abs(row.startUs - row.monoUs - T0) > DATE_SLACK_US)
  await archive.close()
  assert.equal([undated, wrong.map(({ row }) => row.path)], [[], []], 'without a date, with a wrong one')
}

/** A fault that is over after a while. */
function hurt(disk: FakeDisk, random: Random, faults: readonly ('EIO' | 'ENOSPC' | 'hang')[]): () => void {
  const kind = faults[randomBelow(random, faults.length)] ?? 'hang'
  const on = kind === 'ENOSPC' ? ('write' as const) : ('datasync' as const)
  const times = 1 + randomBelow(random, 3)
  const armed = disk.arm(kind === 'hang' ? { on, hang: true } : { on, code: kind, times })
  return () => armed.release()
}

/** Resolves with how many fragments were captured, and what went wrong on purpose. */
async function live(random: Random): Promise<{ readonly fragments: number; readonly blows: number }> {
  const below = (bound: number) => randomBelow(random, bound)
  const scene = await newHome()
  const home = await Home.start(scene)
  const healings: { readonly atS: number; readonly heal: () => void }[] = []
  const captures: Promise<unknown>[] = []
  let blows = 0
  for (let second = 0; second < LIFE_S; second++) {
    for (const { heal } of healings.filter(({ atS }) => atS === second)) heal()
    const die = below(60)
    if (die < 3) home.sever()
    else if (die === 3)
      healings.push({ atS: second + 1 + below(20), heal: hurt(scene.disk, random, ['EIO', 'ENOSPC', 'hang']) })
    else if (die === 4) healings.push({ atS: second + 1 + below(5), heal: hurt(scene.card, random, ['hang']) })
    else if (die === 5) home.clock.setWall(T0 + (below(7200) - 3600) * SECOND)
    if (die <= 5) blows += 1
    if (!home.connected && below(4) === 0) home.connect()
    captures.push(capture(home, scene.captured, second))
    await home.clock.advance(1000)
  }
  for (const { heal } of healings) heal()
  await home.clock.advance(1000)
  home.clock.setWall(T0 + LIFE_S * SECOND)
  // It films on: what is answered for tells the camera the time to the millisecond.
  for (let second = LIFE_S; second < LIFE_S + CLOCK_BELIEVED_S; second++) {
    if (!home.connected) home.connect()
    captures.push(capture(home, scene.captured, second))
    await home.clock.advance(1000)
  }
  await Promise.all(captures)
  for (let second = 0; second < DRAINED_WITHIN_S && !home.drained; second++) {
    if (!home.connected) home.connect()
    await home.clock.advance(1000)
    // A channel that was closed from the other side.
    if (second % 20 === 19) home.sever()
  }
  assert.ok(
    home.drained,
    `not drained after ${DRAINED_WITHIN_S} s: ${home.warnings.map(({ message }) => message).at(-1)}`,
  )
  await home.close()
  assert.is(home.clock.pendingTimers, 0, 'timers are left behind')
  await isAccountedFor(scene)
  await isDatedRight(scene)
  return { fragments: scene.captured.size, blows }
}

test(`${LIVES} times ${LIFE_S} s of footage, with faults (HOMEWARD_SEED=${SEED})`, async () => {
  let before: Held | undefined
  let [fragments, blows] = [0, 0]
  for (let life = 0; life < LIVES; life++) {
    if (life === WARM_UP_LIVES) before = await held()
    const done = await live(seededRandom(SEED + life)).catch((error: Error) => {
      error.message = `${error.message}, in the life of HOMEWARD_SEED=${SEED + life}`
      throw error
    })
    fragments += done.fragments
    blows += done.blows
  }
  const after = await held()
  const grownBytes = after.heapBytes - (before?.heapBytes ?? after.heapBytes)
  const told = `${fragments} fragments, ${blows} blows; ${(grownBytes / 1048576).toFixed(1)} MiB, ${after.files - (before?.files ?? 0)} files and ${after.timers - (before?.timers ?? 0)} timers more, seed ${SEED}`
  process.stdout.write(`${LIVES} lives: ${told}\n`)
  assert.ok(grownBytes <= HEAP_GROWTH_MAX_BYTES, told)
  assert.is(after.files, before?.files, told)
  assert.is(after.timers, before?.timers, told)
})

test.run()
