import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SIGNAL_FRAME_MAX_BYTES } from '../wire/limits.ts'
import { TlsFrames, tlsFrame } from './tls-frames.ts'

test('frames come out as they went in, however the stream is cut', () => {
  const frame = fc.uint8Array({ minLength: 1, maxLength: SIGNAL_FRAME_MAX_BYTES - 1 })
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 5 }), fc.array(fc.integer({ min: 1, max: 900 })), (sent, cuts) => {
      const stream = Buffer.concat(sent.map(tlsFrame))
      const frames = new TlsFrames()
      const got: Uint8Array[] = []
      let at = 0
      for (let index = 0; at < stream.byteLength; index++) {
        const size = cuts.length === 0 ? stream.byteLength : (cuts[index % cuts.length] ?? 1)
        frames.push(stream.subarray(at, at + size))
        at += size
        for (let next = frames.next(); next instanceof Uint8Array; next = frames.next()) got.push(next)
      }
      assert.is(frames.waitingBytes, 0)
      assert.equal(
        got.map((bytes) => [...bytes]),
        sent.map((bytes) => [...bytes]),
      )
    }),
    { numRuns: 200 },
  )
})

test('a length or a kind that no frame has is known at once', () => {
  const first = (...bytes: number[]) => {
    const frames = new TlsFrames()
    frames.push(Uint8Array.from(bytes))
    return frames.next()
  }
  assert.is(first(), undefined)
  assert.is(first(0), undefined)
  assert.is(first(0, 0), 'malformed')
  assert.is(first(0, 1), 'malformed')
  assert.is(first(4, 0xb1), 'malformed')
  assert.is(first(4, 0xb0), undefined)
  assert.is(first(0, 9, 0x48), 'malformed')
  assert.is(first(0, 9, 0x53), undefined)
  assert.equal([...(first(0, 2, 0x53, 7) as Uint8Array)], [7])
})

test('what comes behind the last frame is left for whoever reads on', () => {
  const frames = new TlsFrames()
  frames.push(Buffer.concat([tlsFrame(Uint8Array.of(1)), Uint8Array.of(9, 8, 7)]))
  assert.equal([...(frames.next() as Uint8Array)], [1])
  assert.equal([...frames.takeRest()], [9, 8, 7])
  assert.is(frames.waitingBytes, 0)
})

test.run()
