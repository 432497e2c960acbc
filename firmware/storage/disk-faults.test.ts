/**
 * Every fault of the storage disk, struck while a camera sends: nothing is acknowledged that a power cut would take, the disk
 * is left in peace, one alarm says what is wrong, and when the fault is over all of it arrives without a restart.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { sleep } from '../platform/clock.ts'
import type { Fault } from '../platform/disk-faults.ts'
import { seededRandom } from '../platform/random.ts'
import { missingFrom } from '../wire/ranges.ts'
import { openArchive } from './archive/archive.ts'
import { ROOT } from './archive/archive-fixture.ts'
import { capture, Home, type HomeScene, isAccountedFor, newHome } from './both-sides-fixture.ts'

const FAULT_MS = 90_000
/** A trial after the longest pause, and the opening before it. */
const RECOVERED_WITHIN_MS = 150_000
/** Calls of the disk a second while it is in trouble: a trial now and then, not a storm. */
const CALLS_PER_SECOND = 40

interface Row {
  readonly name: string
  /** Of the one alarm; undefined when there is to be none. */
  readonly alarm: string | undefined
  /** Strikes; the result ends it. */
  strike(scene: HomeScene, home: Home): () => void
}

function armed(name: string, alarm: string | undefined, ...faults: Fault[]): Row {
  return {
    name,
    alarm,
    strike: ({ disk }) => {
      const all = faults.map((fault) => disk.arm({ times: Number.POSITIVE_INFINITY, ...fault }))
      return () => {
        for (const one of all) one.release()
      }
    },
  }
}

function away(name: string, alarm: string, absence: 'removed' | 'unmounted' | 'dead'): Row {
  return {
    name,
    alarm,
    strike: ({ disk }) => {
      disk.disappear(absence, ROOT)
      return () => disk.comeBack(seededRandom(3))
    },
  }
}

const FOOTAGE = '.mp4'
const ROWS: readonly Row[] = [
  armed('no space', 'DISK_FULL', { on: ['write', 'open'], path: FOOTAGE, code: 'ENOSPC' }),
  armed('a short write', 'DISK_FULL', { on: 'write', path: FOOTAGE, code: 'ENOSPC', shortBytes: 512 }),
  armed('EIO on write', 'DISK_FAILED', { on: 'write', code: 'EIO' }),
  armed('a short write that ends in EIO', 'DISK_FAILED', { on: 'write', path: FOOTAGE, code: 'EIO', shortBytes: 1024 }),
  armed('EIO on sync', 'DISK_FAILED', { on: 'datasync', code: 'EIO' }),
  armed('EIO on the sync of a folder', 'DISK_FAILED', { on: ['syncDir', 'datasync'], code: 'EIO' }),
  armed('nothing can be made, cut or removed', 'DISK_FAILED', {
    on: ['open', 'write', 'truncate', 'remove'],
    path: FOOTAGE,
    code: 'EIO',
  }),
  armed('a sync that hangs', 'DISK_FAILED', { on: 'datasync', hang: true }),
  {
    name: 'slow syncs',
    alarm: undefined,
    strike: ({ disk }, { clock }) => {
      const slow = disk.arm({ on: ['datasync', 'syncDir'], times: Infinity, wait: () => sleep(clock, 900) })
      return () => slow.release()
    },
  },
  {
    name: 'mounted read-only',
    alarm: 'DISK_READ_ONLY',
    strike: ({ disk }) => {
      disk.readOnly = true
      return () => {
        disk.readOnly = false
      }
    },
  },
  away('gone', 'DISK_MISSING', 'removed'),
  away('unmounted, the mount point empty', 'DISK_MISSING', 'unmounted'),
  away('there, and every call fails', 'DISK_FAILED', 'dead'),
  {
    name: 'the index takes nothing',
    alarm: 'DISK_FAILED',
    strike: ({ home }) => {
      const { store } = home
      store.failure = Object.assign(new Error('EIO: index'), { code: 'EIO' })
      return () => {
        store.failure = undefined
      }
    },
  },
  {
    name: 'a commit of the index that nobody knows the outcome of',
    alarm: 'DISK_FAILED',
    strike: ({ home }) => {
      home.store.doubtfulFailure = Object.assign(new Error('EIO: index'), { code: 'EIO' })
      return () => {}
    },
  },
]

/** What the camera may let go of is on the disk even if the power goes now. */
async function isDurable(scene: HomeScene, { ring, clock }: Home): Promise<void> {
  const disk = scene.disk.fork()
  const index = scene.home.fork()
  disk.readOnly = false
  disk.comeBack(seededRandom(1))
  disk.crash(seededRandom(1), 'nothing')
  index.crash(seededRandom(1))
  const archive = await openArchive({ disk, clock: clock, root: ROOT, index, minFreeBytes: 0 })
  const waiting = ring.logs().flatMap(({ unacked }) => unacked)
  const camera = scene.identities.camera.publicKey
  for (const name of scene.captured.keys()) {
    const seq = Number(name.split('/')[1])
    const acked = missingFrom(waiting, seq, seq).length > 0
    if (acked) assert.is(archive.durable(camera, ring.log, seq, seq).length, 1, `${seq} was acknowledged`)
  }
  await archive.close()
}

for (const { name, alarm, strike } of ROWS) {
  test(`the storage disk: ${name}`, async () => {
    const scene = await newHome()
    const home = await Home.start(scene)
    const { clock } = home
    home.connect()
    let seq = 0
    const film = async (count: number) => {
      for (const end = seq + count; seq < end; seq++) {
        await capture(home, scene.captured, seq)
        await clock.advance(20)
      }
    }
    await film(5)
    await clock.advance(500)
    assert.ok(home.drained, 'all is well before')
    const end = strike(scene, home)
    const before = scene.disk.calls.length
    await film(5)
    for (let passed = 0; passed < FAULT_MS; passed += 1000) await clock.advance(1000)
    const calls = scene.disk.calls.length - before
    assert.ok(calls < (CALLS_PER_SECOND * FAULT_MS) / 1000, `${calls} calls in ${FAULT_MS / 1000} s`)
    await isDurable(scene, home)
    const raised = home.alarms.filter((code) => code !== 'ok')
    assert.equal(raised, alarm === undefined ? [] : [alarm], `one alarm, not ${home.alarms.join(' ')}`)
    end()
    for (let passed = 0; passed < RECOVERED_WITHIN_MS && !home.drained; passed += 1000) await clock.advance(1000)
    assert.ok(home.drained, `it goes on by itself: ${home.alarms.join(' ')}`)
    await film(5)
    await clock.advance(1000)
    assert.ok(home.drained, 'all is well afterwards')
    if (alarm !== undefined) assert.is(home.alarms.at(-1), 'ok', 'the alarm is over')
    await home.close()
    assert.is(clock.pendingTimers, 0)
    await isAccountedFor(scene)
    for (const { result } of scene.captured.values()) assert.is(result, 'kept')
  })
}

test.run()
