import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CAMERA, headerOf, INIT, makeRig, mediaAt, T0 } from './archive-fixture.ts'

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

test('what was stored is let go of while its file stays open', async () => {
  const { archive } = await makeRig()
  const records: WeakRef<ArrayBuffer>[] = []
  const arriveAndStore = async (seq: number) => {
    // As a record arrives: the header's fields of bytes and the payload share memory with it.
    const fragment = mediaAt(seq)
    const record = new Uint8Array(32 + fragment.byteLength)
    record.set(CAMERA)
    record.set(fragment, 32)
    records.push(new WeakRef(record.buffer))
    const header = headerOf({ seq, camera: record.subarray(0, 32), nonce: record.subarray(0, 24) })
    await archive.store(CAMERA, header, { init: INIT, fragment: record.subarray(32) }, T0 + seq)
  }
  for (let seq = 0; seq < 20; seq++) await arriveAndStore(seq)
  await new Promise((resolve) => setImmediate(resolve))
  collectGarbage()
  assert.is(records.filter((record) => record.deref() !== undefined).length, 0)
  await archive.close()
})

test.run()
