/**
 * What opening a ring of 4 GiB asks of the card, counted, for times say more about this machine than about a card. Everything
 * un-ACKed is the worst there is: a card that was full when the power went. `make bench ONLY=ring-open` has the time.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeDisk } from '../../platform/disk-fake.ts'
import { DIR, openFake } from './ring-fixture.ts'
import { writeLargeRing } from './ring-large-fixture.ts'

const MIB = 1024 * 1024
const SLABS = 64
const SLAB_BYTES = 64 * MIB

interface Asked {
  readonly reads: number
  readonly bytes: number
}

function askedOf(disk: FakeDisk): Asked {
  const reads = disk.calls.filter(({ operation }) => operation === 'read')
  return { reads: reads.length, bytes: reads.reduce((sum, { bytes = 0 }) => sum + bytes, 0) }
}

async function open(disk: FakeDisk, ack: boolean): Promise<Asked & { readonly records: number }> {
  disk.calls.length = 0
  const ring = await openFake(disk)
  const asked = askedOf(disk)
  const [waiting] = ring.logs()
  const records = waiting === undefined ? 0 : ring.unacked(waiting.log).length
  if (ack && waiting !== undefined) ring.ack(waiting.log, waiting.unacked)
  await ring.close()
  return { ...asked, records }
}

test('a ring of 4 GiB opens with one small read for each record that waits, and one for each slab that is safe', async () => {
  const disk = new FakeDisk()
  const records = await writeLargeRing(disk, DIR, { slabs: SLABS, slabBytes: SLAB_BYTES, payloadBytes: 500_000 })
  const full = await open(disk, true)
  assert.is(full.records, records)
  const what = ({ reads, bytes }: Asked) => `${reads} reads, ${(bytes / MIB).toFixed(1)} MiB`
  process.stdout.write(`${records} records, none ACKed: ${what(full)}\n`)
  // Beside the headers: the reserve and the end of each slab, and the newest slab, whose payloads are checked.
  const newest = records / SLABS
  assert.ok(full.reads <= records + newest + 6 * SLABS, what(full))
  assert.ok(full.bytes <= 2 * SLAB_BYTES + SLABS * 2 * MIB, what(full))

  const safe = await open(disk, false)
  process.stdout.write(`all ACKed: ${what(safe)}\n`)
  assert.is(safe.records, 0)
  assert.ok(safe.reads <= 4 * SLABS + 2 * newest, what(safe))
})

test.run()
