import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { encodeMessage } from './codec.ts'
import { isHomewardError } from './errors.ts'
import { decodeGap, encodeGap, GAP_MAX_BYTES, GAP_REASONS, type GapPayload } from './gap.ts'

const moment = fc.option(fc.maxSafeNat(), { nil: undefined })

test('every gap comes back as it went in', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...GAP_REASONS),
      moment,
      moment,
      fc.option(fc.string({ maxLength: 200 }), { nil: undefined }),
      (reason, endMonoUs, endWallUs, note) => {
        const gap: GapPayload = {
          reason,
          ...(endMonoUs !== undefined && { endMonoUs }),
          ...(endWallUs !== undefined && { endWallUs }),
          ...(note !== undefined && { note }),
        }
        assert.equal(decodeGap(encodeGap(gap)), gap)
      },
    ),
  )
})

test('a long note is cut, and even one of wide characters fits', () => {
  const gap = decodeGap(encodeGap({ reason: 'ring-full', note: '漢'.repeat(5000) }))
  assert.is(gap.note?.length, 200)
})

test('what is not a gap is refused', () => {
  const wrong: unknown[] = [
    null,
    {},
    { reason: 'because' },
    { reason: 'ring-full', endMonoUs: -1 },
    { reason: 'ring-full', endWallUs: 1.5 },
    { reason: 'ring-full', note: 7 },
    { reason: 'ring-full', more: 1 },
  ]
  for (const value of wrong) {
    assert.throws(
      () => decodeGap(encodeMessage(value, GAP_MAX_BYTES)),
      (error: unknown) => isHomewardError(error, 'FRAME_MALFORMED'),
      JSON.stringify(value),
    )
  }
  assert.throws(
    () => decodeGap(new Uint8Array(GAP_MAX_BYTES + 1)),
    (error: unknown) => isHomewardError(error, 'FRAME_TOO_LONG'),
  )
})

test.run()
