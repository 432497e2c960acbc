/** What a ring says of its backlog, and until when the camera was running before it was opened. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeDisk } from '../../platform/disk-fake.ts'
import { decodeGap } from '../../wire/gap.ts'
import { decodeRecordHeader } from '../../wire/record.ts'
import { offTime } from '../outages.ts'
import { BOOT, fragmentAt, openFake, prepareCard } from './ring-fixture.ts'
import { FakeSealer, unsealFake } from './sealer-fake.ts'

const WALL = 1_790_000_000_000_000

test('what waits is told by stretches, with their times and their boot, also after a restart', async () => {
  const disk = new FakeDisk()
  await prepareCard(disk)
  const ring = await openFake(disk)
  assert.is(ring.before, undefined)
  for (let at = 0; at < 6; at++) await ring.append(fragmentAt(at))
  ring.ack(ring.log, [[2, 3]])
  const stretch = (first: number, last: number) => ({
    ...{ log: ring.log, boot: BOOT, first, last, fromMonoUs: first * 1e6, toMonoUs: (last + 1) * 1e6 },
    ...{ fromWallUs: WALL + first * 1e6, toWallUs: WALL + (last + 1) * 1e6, clock: 'synchronised' },
  })
  assert.equal(ring.backlog(), [stretch(0, 1), stretch(4, 5)])
  await ring.close()
  const later = await openFake(disk, { boot: 'b007b007b007b008', sealer: new FakeSealer() })
  assert.equal(later.backlog(), [stretch(0, 1), stretch(4, 5)])
  assert.equal(later.before, { boot: BOOT, monoUs: 6e6, wallUs: WALL + 6e6, clock: 'synchronised' })
  later.ack(ring.log, [[0, 5]])
  assert.equal(later.backlog(), [])
  await later.close()
})

test('the time off is a record of its own: since when, and until when', async () => {
  const disk = new FakeDisk()
  await prepareCard(disk)
  const ring = await openFake(disk)
  await ring.append(fragmentAt(7))
  await ring.close()
  const boot = 'b007b007b007b008'
  const sealer = new FakeSealer()
  const later = await openFake(disk, { boot, sealer })
  const now = { monoUs: 3e6, wallUs: WALL + 60e6, clock: 'synchronised' as const }
  const times = offTime(later.before, boot, now)
  if (times === undefined) throw new Error('it was off')
  await later.addGap(1, 'camera-off', times)
  await later.append(fragmentAt(61))
  const [off] = later.unacked(later.log)
  if (off === undefined) throw new Error('nothing was entered')
  const record = await later.read(off)
  const header = decodeRecordHeader(record)
  const payload = unsealFake(record)
  assert.equal([header.seq, header.span, header.monoUs, header.durationUs, header.boot], [0, 1, 3e6, 0, boot])
  const since = { boot: BOOT, monoUs: 8e6, wallUs: WALL + 8e6, clock: 'synchronised' }
  assert.equal([decodeGap(payload).reason, decodeGap(payload).since], ['camera-off', since])
  await later.close()
})

test.run()
