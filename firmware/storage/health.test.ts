import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { STORE_WITHIN_MS, StorageHealth, type StorageView, storageLed } from './health.ts'

const WELL: StorageView = { received: 10, committedBytes: 100, alarm: false, cameras: 2, connected: 1 }

function after(ms: number, still: StorageView): string | undefined {
  const health = new StorageHealth()
  health.stuck({ ...WELL, received: 9 }, 1_000)
  health.stuck(still, 2_000)
  return health.stuck(still, 2_000 + ms)
}

test('cameras send and nothing is stored', () => {
  assert.is(after(STORE_WITHIN_MS - 1, WELL), undefined)
  assert.match(after(STORE_WITHIN_MS, WELL) ?? '', /nothing was stored for 300 s/)
})

test('nothing to store, a disk whose trouble is known, no camera: no reason for the watchdog', () => {
  for (const change of [{ committedBytes: 0 }, { alarm: true }, { connected: 0 }]) {
    assert.is(after(STORE_WITHIN_MS * 100, { ...WELL, ...change }), undefined)
  }
})

test('LED', () => {
  const led = (change: Partial<StorageView>, dark = false) => storageLed({ ...WELL, ...change }, dark)
  assert.equal(
    [led({}), led({}, true), led({ connected: 0 }), led({ cameras: 0, connected: 0 }), led({ alarm: true })],
    ['online', 'dark', 'connecting', 'not-set-up', 'error'],
  )
})

test.run()
