/** Limits, locks and the forecast over HTTP. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SECOND } from '../archive/archive-fixture.ts'
import type { Lock, Storage, Timeline } from './api.ts'
import { nowUs, withHome } from './web-fixture.ts'

const AT = '/api/v1/cameras/Front-door'

test('limits are set and shown; a lock is made, stands on the timeline, and is taken away', async () => {
  await withHome(async (home) => {
    const startUs = nowUs() - 60 * SECOND
    const fromMs = startUs / 1000
    for (let seq = 0; seq < 3; seq += 1) await home.store({ seq, wallUs: startUs + seq * SECOND })
    const set = await home.asOwner(`${AT}/retention`, { method: 'PUT', body: { maxDays: 7, maxBytes: null } })
    const [camera] = set.json<Storage>().cameras
    assert.equal([camera?.maxDays, camera?.maxBytes, camera?.ownLimits, camera?.locks], [7, null, true, 0])
    const made = await home.asOwner(`${AT}/locks`, { body: { fromMs, toMs: fromMs + 2000, note: 'parcel' } })
    const lock = made.json<Lock>()
    assert.equal([lock.fromMs, lock.toMs, lock.note], [fromMs, fromMs + 2000, 'parcel'])
    assert.equal((await home.asOwner(`${AT}/locks`)).json<{ locks: Lock[] }>().locks, [lock])
    const timeline = await home.asOwner(`${AT}/timeline?from=${fromMs}&to=${fromMs + 5000}`)
    assert.equal(timeline.json<Timeline>().locks, [lock])
    assert.is((await home.asOwner(`${AT}/locks/00000000`, { method: 'DELETE' })).status, 404)
    assert.is((await home.asOwner(`${AT}/locks/${lock.id}`, { method: 'DELETE' })).status, 204)
    assert.equal((await home.asOwner(`${AT}/locks`)).json<{ locks: Lock[] }>().locks, [])
  })
})

test('limits and locks that cannot be are refused', async () => {
  await withHome(async (home) => {
    for (const body of [
      {},
      { maxDays: 0, maxBytes: null },
      { maxDays: -1, maxBytes: null },
      { maxDays: 1, maxBytes: 0.5 },
    ]) {
      assert.is((await home.asOwner(`${AT}/retention`, { method: 'PUT', body })).status, 400, JSON.stringify(body))
    }
    for (const body of [{ fromMs: 2, toMs: 1 }, { fromMs: 1, toMs: 1 }, { fromMs: -1, toMs: 1 }, { fromMs: 1 }]) {
      assert.is((await home.asOwner(`${AT}/locks`, { body })).status, 400, JSON.stringify(body))
    }
  })
})

test.run()
