import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { codeThrown } from '../../wire/error-code-fixture.ts'
import { CreditBudget, type CreditListener, type CreditShare } from './credit.ts'

const KIB = 1024
const MIB = 1024 * KIB
const options = { budgetBytes: 64 * MIB, baseBytes: 4 * MIB, largestBytes: 16 * MIB }

class Heard implements CreditListener {
  readonly credits: { id: number; bytes: number }[] = []
  readonly grants: { id: number; bytes: number }[] = []

  credit(id: number, bytes: number): void {
    this.credits.push({ id, bytes })
  }

  grant(id: number, bytes: number): void {
    this.grants.push({ id, bytes })
  }
}

function joined(budget: CreditBudget): { heard: Heard; share: CreditShare } {
  const heard = new Heard()
  return { heard, share: budget.join(heard) }
}

test('a budget too small for one record is refused', () => {
  assert.is(
    codeThrown(() => new CreditBudget({ ...options, budgetBytes: 20 * MIB - 1 })),
    'CONFIG_INVALID',
  )
  assert.is(
    codeThrown(() => new CreditBudget({ ...options, budgetBytes: 20 * MIB })),
    'no error',
  )
})

test('every camera gets the base window while there is room', () => {
  const budget = new CreditBudget(options)
  const all = Array.from({ length: 12 }, () => joined(budget))
  for (const { heard, share } of all) {
    assert.is(share.creditBytes, 4 * MIB)
    assert.equal(heard.credits, [])
  }
  assert.is(budget.committedBytes, 48 * MIB)
})

test('16 cameras share what there is, and never more', () => {
  const budget = new CreditBudget(options)
  const all = Array.from({ length: 16 }, () => joined(budget))
  assert.ok(budget.committedBytes <= 48 * MIB)
  assert.is(all.at(-1)?.share.creditBytes, 0)
  for (const { heard, share } of all) {
    const last = heard.credits.at(-1)
    if (last !== undefined) share.confirm(last.id)
    assert.ok(budget.committedBytes <= 48 * MIB)
  }
  for (const { heard, share } of all) {
    const last = heard.credits.at(-1)
    if (last !== undefined) share.confirm(last.id)
    assert.is(share.creditBytes, 3 * MIB)
  }
  for (const { share } of all.slice(12)) share.close()
  for (const { share } of all.slice(0, 12)) assert.is(share.creditBytes, 4 * MIB)
})

test('a lowered window counts as before until it is confirmed', () => {
  const budget = new CreditBudget(options)
  const { heard, share } = joined(budget)
  const others = Array.from({ length: 15 }, () => joined(budget))
  assert.is(share.creditBytes, 3 * MIB)
  share.take(4 * MIB, false)
  assert.is(
    codeThrown(() => share.take(1, false)),
    'FRAME_MALFORMED',
  )
  share.settle(4 * MIB, false)
  const lowered = heard.credits.at(-1)
  assert.is(lowered?.bytes, 3 * MIB)
  share.confirm(lowered?.id ?? -1)
  assert.is(
    codeThrown(() => share.take(3 * MIB + 1, false)),
    'FRAME_MALFORMED',
  )
  share.take(3 * MIB, false)
  share.confirm(77)
  assert.is(others.length, 15)
})

test('large records go one after the other, in turn', () => {
  const budget = new CreditBudget(options)
  const [a, b, c] = [joined(budget), joined(budget), joined(budget)]
  a.share.need(1, 16 * MIB)
  b.share.need(1, 16 * MIB)
  c.share.need(1, 5 * MIB)
  assert.equal(a.heard.grants, [{ id: 1, bytes: 16 * MIB }])
  assert.equal([b.heard.grants, c.heard.grants], [[], []])
  assert.is(budget.waiting, 2)
  a.share.take(16 * MIB, true)
  assert.is(
    codeThrown(() => a.share.take(1, true)),
    'FRAME_MALFORMED',
  )
  a.share.need(2, 16 * MIB)
  a.share.settle(16 * MIB, true)
  assert.is(b.heard.grants.length, 1)
  assert.is(a.heard.grants.length, 1)
  b.share.close()
  assert.equal(c.heard.grants, [{ id: 1, bytes: 5 * MIB }])
  c.share.need(2, 0)
  assert.equal(a.heard.grants.at(-1), { id: 2, bytes: 16 * MIB })
  assert.is(budget.waiting, 0)
})

test('a small need does not overtake a large one that waits', () => {
  const budget = new CreditBudget(options)
  const [a, b, c] = [joined(budget), joined(budget), joined(budget)]
  a.share.need(1, 10 * MIB)
  b.share.need(1, 16 * MIB)
  c.share.need(1, 5 * MIB)
  assert.equal([a.heard.grants.length, b.heard.grants.length, c.heard.grants.length], [1, 0, 0])
})

test('what could never be granted is refused, and stops nobody', () => {
  const budget = new CreditBudget(options)
  const [a, b] = [joined(budget), joined(budget)]
  assert.is(
    codeThrown(() => a.share.need(1, 16 * MIB + 1)),
    'FRAME_MALFORMED',
  )
  b.share.need(1, 16 * MIB)
  assert.is(b.heard.grants.length, 1)
})

test('several grants at once while they fit together', () => {
  const budget = new CreditBudget(options)
  const all = Array.from({ length: 4 }, () => joined(budget))
  for (const { share } of all) share.need(1, 5 * MIB)
  assert.equal(
    all.map(({ heard }) => heard.grants.length),
    [1, 1, 1, 0],
  )
  all[1]?.share.close()
  assert.is(all[3]?.heard.grants.length, 1)
})

test('a grant is for one record of its size at most', () => {
  const { share } = joined(new CreditBudget(options))
  assert.is(
    codeThrown(() => share.take(1, true)),
    'FRAME_MALFORMED',
  )
  share.need(1, 5 * MIB)
  assert.is(
    codeThrown(() => share.take(5 * MIB + 1, true)),
    'FRAME_MALFORMED',
  )
  share.take(5 * MIB, true)
  share.settle(5 * MIB, true)
  assert.is(
    codeThrown(() => share.take(1, true)),
    'FRAME_MALFORMED',
  )
})

test('what is still being stored counts after its channel is gone', () => {
  const budget = new CreditBudget(options)
  const { share } = joined(budget)
  share.take(3 * MIB, false)
  share.need(1, 16 * MIB)
  share.take(16 * MIB, true)
  share.close()
  share.close()
  assert.is(budget.committedBytes, 19 * MIB)
  const other = joined(budget)
  other.share.need(1, MIB)
  assert.equal(other.heard.grants, [])
  share.settle(16 * MIB, true)
  assert.is(other.heard.grants.length, 1)
  share.settle(3 * MIB, false)
  assert.is(budget.committedBytes, 4 * MIB + MIB)
})

/**
 * Cameras that join, leave, send, confirm late and need large records in any order. The wire is a queue for each camera,
 * so that everything may cross. Whatever happens, the budget holds and an honest camera is never refused.
 */
test('no order of events exceeds the budget or refuses an honest camera', () => {
  const largestBytes = 64
  const budgetBytes = 256
  class Camera implements CreditListener {
    readonly share: CreditShare
    readonly wire: (() => void)[] = []
    window = 0
    pending: number | undefined
    inFlight: number[] = []
    needId = 0
    need: { id: number; bytes: number } | undefined
    held: number | undefined
    heldInFlight: number | undefined

    constructor(budget: CreditBudget) {
      this.share = budget.join(this)
      this.window = this.share.creditBytes
    }

    credit(id: number, bytes: number): void {
      this.wire.push(() => {
        this.window = bytes
        this.pending = id
        this.confirm()
      })
    }

    grant(id: number, bytes: number): void {
      this.wire.push(() => {
        if (this.need?.id !== id) return
        this.need = undefined
        this.held = bytes
      })
    }

    get used(): number {
      return this.inFlight.reduce((sum, bytes) => sum + bytes, 0)
    }

    confirm(): void {
      if (this.pending === undefined || this.used > this.window) return
      this.share.confirm(this.pending)
      this.pending = undefined
    }

    act(what: number, bytes: number): void {
      if (what === 0) this.wire.shift()?.()
      else if (what === 1 && this.used + bytes <= this.window) {
        this.inFlight.push(bytes)
        this.share.take(bytes, false)
      } else if (what === 2) {
        const settled = this.inFlight.shift()
        if (settled !== undefined) this.share.settle(settled, false)
        this.confirm()
      } else if (what === 3) {
        this.need = { id: ++this.needId, bytes }
        this.held = undefined
        this.share.need(this.needId, bytes)
      } else if (what === 4 && this.held !== undefined && this.heldInFlight === undefined) {
        this.heldInFlight = this.held
        this.held = undefined
        this.share.take(this.heldInFlight, true)
      } else if (what === 5 && this.heldInFlight !== undefined) {
        const settled = this.heldInFlight
        this.heldInFlight = undefined
        this.share.settle(settled, true)
      }
    }
  }
  const step = fc.tuple(fc.nat(7), fc.nat(7), fc.integer({ min: 1, max: largestBytes }))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const budget = new CreditBudget({ budgetBytes, baseBytes: 64, largestBytes })
      const cameras: (Camera | undefined)[] = []
      for (const [who, what, bytes] of steps) {
        const camera = cameras[who]
        if (camera === undefined) cameras[who] = makeCamera(budget)
        else if (what === 7) {
          for (const settled of camera.inFlight) camera.share.settle(settled, false)
          if (camera.heldInFlight !== undefined) camera.share.settle(camera.heldInFlight, true)
          camera.share.close()
          cameras[who] = undefined
        } else camera.act(what, bytes)
        assert.ok(budget.committedBytes <= budgetBytes, `${budget.committedBytes} of ${budgetBytes} bytes`)
      }
      // When everything is delivered, answered and confirmed, every camera has the same window and every need its turn.
      for (let round = 0; round < 2000 && cameras.some((camera) => camera !== undefined && busy(camera)); round++) {
        for (const camera of cameras) for (const what of [0, 2, 4, 5]) camera?.act(what, 1)
      }
      const left = cameras.filter((camera) => camera !== undefined)
      const target = Math.min(64, Math.floor((budgetBytes - largestBytes) / Math.max(1, left.length)))
      for (const camera of left) {
        assert.not(busy(camera))
        assert.is(camera.window, target)
      }
    }),
    { numRuns: 400 },
  )

  function makeCamera(budget: CreditBudget): Camera {
    return new Camera(budget)
  }

  function busy(camera: Camera): boolean {
    return (
      camera.wire.length > 0 || camera.inFlight.length > 0 || camera.need !== undefined || camera.held !== undefined
    )
  }
})

test.run()
