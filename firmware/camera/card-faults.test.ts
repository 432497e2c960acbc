/**
 * Every fault of the card, struck while the camera films: it goes on from memory, says so once, and picks the card up again
 * when the fault is over; all that it called kept can be read from one of its rings.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { sleep } from '../platform/clock.ts'
import { FakeClock } from '../platform/clock-fake.ts'
import { FakeDisk } from '../platform/disk-fake.ts'
import type { Fault } from '../platform/disk-faults.ts'
import { seededRandom } from '../platform/random.ts'
import { codeOf } from '../wire/error-code-fixture.ts'
import { CARD_RETRY_MAX_MS, Recorder } from './recorder.ts'
import { MemoryRing } from './ring/memory-ring.ts'
import type { Ring } from './ring/ring.ts'
import { BOOT, DIR, describeRecord, fragmentMeta, KIB, openFake, prepareCard } from './ring/ring-fixture.ts'
import { FakeSealer } from './ring/sealer-fake.ts'

const STALL_MS = 3000
const FRAGMENT_BYTES = 20 * KIB
const SLABS = 12

interface Card {
  readonly disk: FakeDisk
  readonly clock: FakeClock
}

interface Row {
  readonly name: string
  /** What the status says meanwhile; `ok` when the card goes on being used. */
  readonly card: 'ok' | 'failed' | 'gone' | 'read-only'
  /** What is captured meanwhile becomes a gap. */
  readonly full?: boolean
  strike(card: Card): (() => void) | Promise<() => void>
}

function armed(name: string, card: Row['card'], fault: Fault): Row {
  return { name, card, strike: ({ disk }) => disk.arm({ times: Number.POSITIVE_INFINITY, ...fault }).release }
}

function away(absence: 'removed' | 'unmounted' | 'dead'): Row {
  return {
    name: absence,
    card: 'gone',
    strike: ({ disk }) => {
      disk.disappear(absence, DIR)
      return () => disk.comeBack(seededRandom(5))
    },
  }
}

const SLAB = 'slab-'
const ROWS: readonly Row[] = [
  armed('EIO on write', 'failed', { on: 'write', code: 'EIO' }),
  armed('EIO on the write of footage', 'failed', { on: 'write', path: SLAB, code: 'EIO' }),
  armed('a short write that ends in EIO', 'failed', { on: 'write', path: SLAB, code: 'EIO', shortBytes: 4096 }),
  armed('EIO on sync', 'failed', { on: 'datasync', path: SLAB, code: 'EIO' }),
  armed('a sync that hangs', 'failed', { on: 'datasync', path: SLAB, hang: true }),
  armed('a write that hangs', 'failed', { on: 'write', path: SLAB, hang: true }),
  {
    name: 'mounted read-only',
    card: 'read-only',
    strike: ({ disk }) => {
      disk.readOnly = true
      return () => {
        disk.readOnly = false
      }
    },
  },
  away('removed'),
  away('unmounted'),
  away('dead'),
  // What is set aside for gap records cannot be written either: on a file system that never overwrites in place.
  armed('no space, not even in place', 'failed', { on: 'write', path: SLAB, code: 'ENOSPC' }),
  armed('a short write for want of space', 'failed', { on: 'write', path: SLAB, code: 'ENOSPC', shortBytes: 700 }),
  {
    // A full card is a full ring, not a failed one.
    name: 'no space left',
    card: 'ok',
    full: true,
    strike: async ({ disk }) => {
      const { capacityBytes } = disk
      disk.capacityBytes -= (await disk.space('/')).freeBytes
      return () => {
        disk.capacityBytes = capacityBytes
      }
    },
  },
  {
    name: 'slow syncs',
    card: 'ok',
    strike: ({ disk, clock }) => {
      const slow = disk.arm({ on: 'datasync', times: Number.POSITIVE_INFINITY, wait: () => sleep(clock, 900) })
      return () => slow.release()
    },
  },
]

/** Numbers of the fragments that can be read from all rings, as their content names them. */
async function readable(rings: readonly Ring[]): Promise<number[]> {
  const found: number[] = []
  for (const ring of rings) {
    for (const { log } of ring.logs()) {
      for (const ref of ring.unacked(log)) {
        if (ref.kind === 'fragment')
          found.push(Number(/^fragment (\d+) /.exec(describeRecord(await ring.read(ref)).content)?.[1]))
      }
    }
  }
  return found.sort((a, b) => a - b)
}

for (const { name, card, full = false, strike } of ROWS) {
  test(`the card: ${name}`, async () => {
    const clock = new FakeClock()
    const disk = new FakeDisk()
    await prepareCard(disk, SLABS)
    const told: string[] = []
    const recorder = new Recorder({
      openCard: () => openFake(disk, { clock, stallMs: STALL_MS, recentBytes: 0 }),
      openMemory: () => new MemoryRing({ sealer: new FakeSealer(), boot: BOOT, clock, capacityBytes: 1e7 }),
      ...{ cardKnown: true, clock, boot: BOOT },
      onRings: () => {},
      onCard: (problem) => told.push(problem?.code ?? 'in use'),
    })
    await recorder.start()
    let next = 0
    const film = async (count: number) => {
      const results = Array.from({ length: count }, () => {
        const at = next++
        const text = Buffer.alloc(FRAGMENT_BYTES, `fragment ${at} of the film. `)
        const fragment = { bytes: text, keyFrame: true, durationUs: 1e6, tracks: [] }
        const init = { bytes: Uint8Array.of(1), tracks: [] }
        return recorder.fragment({ ...fragmentMeta(at), init, fragment, runStart: at === 0 })
      })
      // Long enough for a call that hangs to be given up.
      for (let passed = 0; passed <= 2 * STALL_MS; passed += 500) await clock.advance(500)
      await Promise.all(results)
    }
    await film(4)
    assert.equal([recorder.card, told], ['ok', []])
    const end = await strike({ disk, clock })
    const struck = next
    for (let times = 0; times < 10; times++) await film(2)
    assert.is(recorder.counts.captured + recorder.counts.lost, next, 'every fragment is answered for')
    assert.is(recorder.counts.lost, full ? next - struck : 0)
    if (card === 'ok') assert.equal([recorder.card, told], ['ok', []])
    else {
      const troubles = told.filter((code) => code !== 'in use')
      assert.ok(troubles.length > 0 && troubles.every(isTrouble), told.join())
      // A card that opens and then takes nothing is tried again less and less often, and each try is one word.
      assert.ok(troubles.length <= 6, `${told.join()} in a minute`)
      if (card !== 'failed') assert.not.ok(told.includes('in use'), told.join())
    }
    const lost = recorder.counts.lost
    end()
    for (let passed = 0; passed < CARD_RETRY_MAX_MS + STALL_MS; passed += 1000) await clock.advance(1000)
    await film(4)
    assert.is(recorder.card, 'ok', 'the card is used again')
    if (card !== 'ok') assert.is(told.at(-1), 'in use')
    assert.is(recorder.active, recorder.rings[0], 'what is captured goes to the card')
    assert.is(recorder.counts.lost, lost)
    const all = Array.from({ length: next }, (_, at) => at)
    const kept = all.filter((at) => !full || at < struck || at >= struck + lost)
    // What failed on the card may stand there all the same: then it is in both.
    assert.equal([...new Set(await readable(recorder.rings))], kept)
    for (const ring of recorder.rings) for (const { log, unacked } of ring.logs()) ring.ack(log, unacked)
    assert.is(recorder.rings.length, 1, 'memory is let go of')
    await recorder.close()
    assert.is(clock.pendingTimers, 0)
  })
}

function isTrouble(code: string): boolean {
  return ['RING_FAILED', 'RING_UNMARKED'].includes(code)
}

test('the card: a bit that turned over is found, and only its fragment is lost', async () => {
  const disk = new FakeDisk()
  await prepareCard(disk, SLABS)
  const ring = await openFake(disk, { recentBytes: 0 })
  for (let at = 0; at < 4; at++) {
    const fragment = Buffer.alloc(FRAGMENT_BYTES, `fragment ${at} of the film. `)
    await ring.append({ meta: fragmentMeta(at), init: Uint8Array.of(1), fragment })
  }
  disk.rot(`${DIR}/slab-0000.hwr`, 24 * KIB + 9000)
  for (const ref of ring.unacked(ring.log)) {
    const code = await codeOf(ring.read(ref))
    if (ref.seq === 1) assert.is(code, 'RECORD_DAMAGED')
  }
  assert.equal(await readable([ring]), [0, 2, 3])
  assert.equal(
    ring.unacked(ring.log).map(({ seq, kind }) => `${seq} ${kind}`),
    ['0 fragment', '1 gap', '2 fragment', '3 fragment'],
  )
  await ring.close()
})

test.run()
