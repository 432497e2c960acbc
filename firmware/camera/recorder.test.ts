import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { InitSegment } from '../media/init.ts'
import { FakeClock } from '../platform/clock-fake.ts'
import { codeOf } from '../wire/error-code-fixture.ts'
import { type ErrorCode, HomewardError } from '../wire/errors.ts'
import type { CapturedFragment } from './encoder/captured.ts'
import { CARD_RETRY_MAX_MS, CARD_RETRY_MS, Recorder, type RecorderOptions } from './recorder.ts'
import { MemoryRing } from './ring/memory-ring.ts'
import type { AppendResult, Ring, RingFragment, RingStats } from './ring/ring.ts'
import { FakeSealer } from './ring/sealer-fake.ts'

const BOOT = 'b007b007b007b007'
const INIT: InitSegment = { bytes: Uint8Array.of(1), tracks: [] }

/** A slot that cards are pushed into and pulled out of. */
class CardSlot {
  readonly clock = new FakeClock()
  /** Why the card cannot be opened. */
  missing: ErrorCode | undefined
  /** It can be opened and read, but takes nothing. */
  writable = true
  opened = 0
  open: FakeCard | undefined
  /** Opening takes until then. */
  ready: Promise<void> = Promise.resolve()

  readonly openCard = async (): Promise<Ring> => {
    await this.ready
    if (this.missing !== undefined) throw new HomewardError(this.missing, `no card: ${this.missing}`)
    assert.is(this.open, undefined, 'one opening at a time')
    this.opened += 1
    this.open = new FakeCard(this)
    return this.open
  }
}

/** Behaves as the ring on a card does: the first failed write is for good, until it is opened again. */
class FakeCard extends MemoryRing {
  readonly #slot: CardSlot
  #failed: boolean

  constructor(slot: CardSlot) {
    super({ sealer: new FakeSealer(), boot: BOOT, clock: slot.clock, capacityBytes: 1e6 })
    this.#slot = slot
    this.#failed = !slot.writable
  }

  override async append(fragment: RingFragment): Promise<AppendResult> {
    this.#write()
    return super.append(fragment)
  }

  override async addGap(...args: Parameters<Ring['addGap']>): Promise<void> {
    this.#write()
    return super.addGap(...args)
  }

  override stats(): RingStats {
    return { ...super.stats(), card: this.#failed ? (this.#slot.writable ? 'failed' : 'read-only') : 'ok' }
  }

  override async close(): Promise<void> {
    if (this.#slot.open === this) this.#slot.open = undefined
    await super.close()
  }

  #write(): void {
    if (this.#slot.missing !== undefined || !this.#slot.writable) this.#failed = true
    if (this.#failed) throw new HomewardError('RING_FAILED', 'the card failed: EIO')
  }
}

const test = suite('recorder', { slot: new CardSlot(), told: [] as string[], rings: [] as number[] })

test.before.each((context) => {
  context.slot = new CardSlot()
  context.told = []
  context.rings = []
})

function recorderFor(
  { slot, told, rings }: { slot: CardSlot; told: string[]; rings: number[] },
  options: Partial<RecorderOptions> = {},
): Recorder {
  return new Recorder({
    openCard: slot.openCard,
    openMemory: () => new MemoryRing({ sealer: new FakeSealer(), boot: BOOT, clock: slot.clock, capacityBytes: 1e6 }),
    cardKnown: false,
    clock: slot.clock,
    boot: BOOT,
    onRings: (attached) => rings.push(attached.length),
    onCard: (problem) => told.push(problem?.message ?? 'in use'),
    ...options,
  })
}

let captured = 0

function fragment(): CapturedFragment {
  const at = captured++
  return {
    ...{ run: 0, monoUs: at * 1e6, wallUs: 1e15 + at * 1e6, clock: 'synchronised', durationUs: 1e6 },
    init: INIT,
    fragment: { bytes: new Uint8Array(1000).fill(at), keyFrame: true, durationUs: 1e6, tracks: [] },
    runStart: at === 0,
  }
}

const waiting = (ring: Ring) => ring.logs().reduce((sum, { unacked }) => sum + unacked.length, 0)
const numbers = (ring: Ring) => ring.unacked(ring.log).map(({ seq, span, kind }) => `${kind} ${seq}+${span}`)

function ackAll(ring: Ring): void {
  for (const { log, unacked } of ring.logs()) ring.ack(log, unacked)
}

test('the card fails, memory takes over, the card comes back, memory is drained', async (context) => {
  const { slot, told } = context
  const recorder = recorderFor(context)
  await recorder.start()
  await recorder.fragment(fragment())
  assert.equal([recorder.card, recorder.rings.length, told], ['ok', 1, []])

  slot.missing = 'RING_UNMARKED'
  for (let i = 0; i < 3; i++) await recorder.fragment(fragment())
  const memory = recorder.active
  assert.equal(numbers(memory), ['fragment 0+1', 'fragment 1+1', 'fragment 2+1'])
  assert.equal(recorder.counts, { captured: 4, lost: 0 }, 'nothing is lost, not even the fragment that failed')
  assert.is(recorder.card, 'failed')
  assert.is(recorder.rings.length, 2, 'what is on the card may still be readable')

  await slot.clock.advance(3 * CARD_RETRY_MS)
  assert.equal([recorder.card, recorder.rings], ['gone', [memory]])
  assert.equal(told, ['the card failed: EIO', 'no card: RING_UNMARKED'], 'each trouble once')

  slot.missing = undefined
  await slot.clock.advance(CARD_RETRY_MS)
  assert.is(recorder.card, 'ok')
  assert.is(recorder.cardProblem, undefined)
  assert.is(told.at(-1), 'in use')
  assert.is(recorder.rings[1], memory, 'memory stays as long as something in it is not safe')
  await recorder.fragment(fragment())
  assert.is(waiting(memory), 1, 'one range, and nothing new in it')
  assert.equal(numbers(recorder.active), ['fragment 0+1'])

  memory.ack(memory.log, [[0, 1]])
  assert.is(recorder.rings.length, 2)
  memory.ack(memory.log, [[2, 2]])
  assert.equal(recorder.rings, [recorder.active])
  assert.is(context.rings.at(-1), 1)
  assert.is(await recorder.close(), 0)
  assert.is(slot.clock.pendingTimers, 0)
})

test('a card that fails again goes on with the same memory', async (context) => {
  const { slot } = context
  const recorder = recorderFor(context)
  await recorder.start()
  slot.missing = 'RING_FAILED'
  await recorder.fragment(fragment())
  const memory = recorder.active
  slot.missing = undefined
  await slot.clock.advance(CARD_RETRY_MS)
  slot.missing = 'RING_FAILED'
  await recorder.fragment(fragment())
  assert.is(recorder.active, memory)
  assert.equal(numbers(memory), ['fragment 0+1', 'fragment 1+1'])
  assert.is(await recorder.close(), 2, 'what was in memory only')
})

for (const code of ['RING_UNMARKED', 'RING_FOREIGN', 'DISK_FULL', 'AGENT_RUNNING'] as const) {
  test(`a ring that was never used and says ${code} is refused`, async (context) => {
    const { slot, told } = context
    slot.missing = code
    const recorder = recorderFor(context)
    assert.is(await codeOf(recorder.start()), code)
    assert.equal([recorder.rings, told, slot.clock.pendingTimers], [[], [], 0])
    await recorder.close()
  })
}

for (const code of ['RING_UNMARKED', 'RING_FOREIGN', 'DISK_FULL', 'RING_FAILED'] as const) {
  test(`a card that is known and says ${code} is waited for`, async (context) => {
    const { slot, told } = context
    slot.missing = code
    const recorder = recorderFor(context, { cardKnown: true })
    await recorder.start()
    await recorder.fragment(fragment())
    assert.equal([recorder.card, told], ['gone', [`no card: ${code}`]])
    slot.missing = undefined
    await slot.clock.advance(CARD_RETRY_MS)
    assert.is(recorder.card, 'ok')
    ackAll(recorder.rings[1] ?? recorder.active)
    assert.is(recorder.rings.length, 1)
    await recorder.close()
  })
}

test('a known card that another agent uses is not waited for', async (context) => {
  context.slot.missing = 'AGENT_RUNNING'
  const recorder = recorderFor(context, { cardKnown: true })
  assert.is(await codeOf(recorder.start()), 'AGENT_RUNNING')
  await recorder.close()
})

test('a read-only card is read, and tried less and less often', async (context) => {
  const { slot, told } = context
  slot.writable = false
  const recorder = recorderFor(context)
  await recorder.start()
  await recorder.fragment(fragment())
  assert.is(recorder.card, 'read-only')
  assert.is(recorder.rings[0], slot.open, 'its footage can be sent')
  assert.is.not(recorder.active, slot.open)
  const openings: number[] = []
  for (let passedMs = 0; passedMs < 400_000; passedMs += CARD_RETRY_MS) {
    await slot.clock.advance(CARD_RETRY_MS)
    openings.push(slot.opened)
  }
  assert.ok(slot.opened < 12, `${slot.opened} openings in 400 s`)
  assert.equal(told, ['the card can be read but not written'])
  slot.writable = true
  await slot.clock.advance(CARD_RETRY_MAX_MS)
  assert.is(recorder.card, 'ok')
  await recorder.close()
})

test('without a card memory is all there is', async (context) => {
  const recorder = recorderFor(context, { openCard: undefined })
  await recorder.start()
  await recorder.fragment(fragment())
  await recorder.fragment(fragment())
  assert.equal([recorder.card, recorder.counts.captured, context.told], ['none', 2, []])
  ackAll(recorder.active)
  assert.is(recorder.rings.length, 1, 'it is never retired')
  await recorder.fragment(fragment())
  assert.equal([await recorder.close(), context.slot.clock.pendingTimers], [1, 0])
})

test('gaps are entered where the footage goes, and counted', async (context) => {
  const { slot } = context
  const recorder = recorderFor(context)
  await recorder.start()
  await recorder.missed(0, 'discarded')
  await recorder.missed(5, 'discarded')
  const { init: _, fragment: __, runStart: ___, ...span } = fragment()
  await recorder.gap({ ...span, reason: 'encoder-ended', span: 2, detail: '' })
  assert.equal(numbers(recorder.active), ['gap 0+5', 'gap 5+2'])
  slot.missing = 'RING_FAILED'
  await recorder.missed(1, 'never-sent')
  assert.equal(numbers(recorder.active), ['gap 0+1'])
  assert.equal(recorder.counts, { captured: 0, lost: 8 })
  await recorder.close()
})

test('closing while the card is being opened again leaves nothing open', async (context) => {
  for (const comesBack of [true, false]) {
    const { slot } = context
    const recorder = recorderFor(context, { cardKnown: true })
    slot.missing = 'RING_FAILED'
    await recorder.start()
    if (comesBack) slot.missing = undefined
    let finish = () => {}
    slot.ready = new Promise((resolve) => {
      finish = resolve
    })
    await slot.clock.advance(CARD_RETRY_MS)
    const closing = recorder.close()
    finish()
    await Promise.all([closing, recorder.close()])
    assert.equal([slot.open, slot.clock.pendingTimers], [undefined, 0])
  }
})

test.run()
