import { PassThrough } from 'node:stream'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { SIGNAL_FRAME_MAX_BYTES } from '../wire/limits.ts'
import { readFrame, writeFrame } from './first-frame.ts'

const bytes = (count: number) => Uint8Array.from({ length: count }, (_, at) => at & 255)

function framed(...frames: Uint8Array[]): Uint8Array {
  const stream = new PassThrough()
  for (const frame of frames) writeFrame(stream, frame)
  return new Uint8Array(stream.read() as Buffer)
}

async function pause(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 2))
}

test('a frame arrives as it was, of every size that a datagram has, and leaves no timer or listener', async () => {
  for (const size of [1, 2, 255, 256, 257, SIGNAL_FRAME_MAX_BYTES]) {
    const clock = new FakeClock()
    const stream = new PassThrough()
    const before = ['end', 'close', 'error', 'readable'].map((event) => stream.listenerCount(event))
    writeFrame(stream, bytes(size))
    const frame = await readFrame(stream, 1000, clock)
    assert.equal(new Uint8Array(frame ?? []), bytes(size))
    assert.is(clock.pendingTimers, 0)
    assert.equal(
      ['end', 'close', 'error', 'readable'].map((event) => stream.listenerCount(event)),
      before,
    )
  }
})

test('cut anywhere, it is put together again', async () => {
  const whole = framed(bytes(300))
  for (const cuts of [[1], [2], [3], [1, 2], [1, 2, 3, 299], [301]]) {
    const stream = new PassThrough()
    const frame = readFrame(stream, 1000, new FakeClock())
    let at = 0
    for (const cut of [...cuts, whole.byteLength]) {
      stream.write(whole.subarray(at, cut))
      at = cut
      await pause()
    }
    assert.equal(new Uint8Array((await frame) ?? []), bytes(300), `cut at ${cuts}`)
  }
})

test('what comes behind it stays in the stream', async () => {
  const stream = new PassThrough()
  stream.write(Buffer.concat([framed(bytes(40), bytes(7)), bytes(100)]))
  const clock = new FakeClock()
  assert.is((await readFrame(stream, 1000, clock))?.byteLength, 40)
  assert.is((await readFrame(stream, 1000, clock))?.byteLength, 7)
  await pause()
  const rest: Buffer[] = []
  stream.on('data', (chunk: Buffer) => rest.push(chunk))
  stream.end()
  await pause()
  assert.equal(new Uint8Array(Buffer.concat(rest)), bytes(100))
})

test('a length that no datagram has is believed by nobody', async () => {
  for (const length of [0, SIGNAL_FRAME_MAX_BYTES + 1, 0xffff]) {
    const stream = new PassThrough()
    stream.write(Uint8Array.of(length >> 8, length & 255, 1, 2, 3))
    const clock = new FakeClock()
    assert.is(await readFrame(stream, 1000, clock), undefined, `${length}`)
    assert.is(clock.pendingTimers, 0)
  }
})

test('a stream that ends or breaks before the frame is whole', async () => {
  const whole = framed(bytes(20))
  for (let cut = 0; cut < whole.byteLength; cut++) {
    for (const how of ['end', 'destroy', 'error'] as const) {
      const stream = new PassThrough()
      const clock = new FakeClock()
      const frame = readFrame(stream, 1000, clock)
      if (cut > 0) stream.write(whole.subarray(0, cut))
      if (how === 'end') stream.end()
      else stream.destroy(how === 'error' ? new Error('broken') : undefined)
      assert.is(await frame, undefined, `${how} after ${cut} bytes`)
      assert.is(clock.pendingTimers, 0)
    }
  }
})

test('nobody gets more time than that', async () => {
  const stream = new PassThrough()
  const clock = new FakeClock()
  let settled = false
  const frame = readFrame(stream, 3000, clock).finally(() => {
    settled = true
  })
  // A byte now and then does not buy more.
  for (const byte of [0, 20, 1, 2]) {
    stream.write(Uint8Array.of(byte))
    await clock.advance(700)
  }
  assert.is(settled, false)
  await clock.advance(200)
  assert.is(settled, true)
  assert.is(await frame, undefined)
})

test.run()
