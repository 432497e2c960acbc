import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FrameGuard } from './frame-guard.ts'

function frame(length: number): Uint8Array {
  return Uint8Array.of(length & 255, (length >> 8) & 255, length >> 16, ...new Uint8Array(length).fill(0xff))
}

test('accepts allowed frames however they are cut, and refuses the first that is too long', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 }),
      fc.boolean(),
      (lengths, cuts, tooLong) => {
        const frames = [...lengths, ...(tooLong ? [301] : [])].map(frame)
        const stream = Buffer.concat(frames)
        const guard = new FrameGuard(300)
        let accepted = true
        let at = 0
        for (let turn = 0; at < stream.byteLength && accepted; turn++) {
          const step = cuts[turn % cuts.length] ?? 1
          accepted = guard.accept(stream.subarray(at, at + step))
          at += step
        }
        assert.is(accepted, !tooLong)
      },
    ),
  )
})

test('a long claim is refused on its third byte', () => {
  const guard = new FrameGuard(70_000)
  assert.is(guard.accept(Uint8Array.of(0xff, 0xff)), true)
  assert.is(guard.accept(Uint8Array.of(0xff)), false)
})

test.run()
