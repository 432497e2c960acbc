/** The ring with what it works with in a camera: a real disk, the real sealer; and how it behaves at full size. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createIdentity } from '../../link/identity.ts'
import { LogSealer, RecordOpener } from '../../link/seal.ts'
import { FakeClock } from '../../platform/clock-fake.ts'
import { RealClock } from '../../platform/clock-real.ts'
import { FakeDisk } from '../../platform/disk-fake.ts'
import { RealDisk } from '../../platform/disk-real.ts'
import { decodeGap } from '../../wire/gap.ts'
import { decodeRecordHeader, encodeRecordHeader, splitPayload } from '../../wire/record.ts'
import { encodeMark } from './acks.ts'
import { encodeCardRecord } from './card-record.ts'
import { initRing, openRing } from './ring.ts'
import { BOOT, DIR, fragmentAt, fragmentMeta, KIB, openFake } from './ring-fixture.ts'
import { FakeSealer } from './sealer-fake.ts'
import { DEFAULT_SLAB_BYTES, slabName } from './slabs.ts'

const MIB = 1024 * KIB

test('real disk, real sealer: only storage reads it back, and the card holds no plaintext', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'homeward-'))
  try {
    const disk = new RealDisk()
    const ringDir = join(dir, 'card/ring')
    await initRing(disk, ringDir, { slabBytes: 4 * MIB, capacityBytes: 8 * MIB })
    const [camera, storage] = [createIdentity(), createIdentity()]
    const open = () => {
      const sealer = new LogSealer(camera, storage.publicKey)
      return openRing({ disk, dir: ringDir, camera, sealer, boot: BOOT, clock: new RealClock(), recentBytes: 0 })
    }
    const ring = await open()
    const results: string[] = []
    for (let at = 0; at < 12; at++) results.push((await ring.append(fragmentAt(at, 700 * KIB)))[0] ?? '')
    assert.is(results.join(''), 'kkkkkkkkkkgg')
    await ring.close()

    const again = await open()
    const opener = new RecordOpener(storage)
    for (const ref of again.unacked(ring.log)) {
      const { header, payload } = opener.open(await again.read(ref), camera.publicKey)
      if (header.kind === 'gap') assert.equal([header.span, decodeGap(payload).reason], [2, 'ring-full'])
      else assert.ok(Buffer.from(fragmentAt(header.seq, 700 * KIB).fragment).equals(splitPayload(payload).fragment))
    }
    assert.is(again.unacked(ring.log).length, 11)
    await again.close()

    const names = await readdir(ringDir)
    assert.equal(names, ['acks', 'ring.json', 'slab-0000.hwr', 'slab-0001.hwr'])
    for (const name of names) {
      const content = await readFile(join(ringDir, name))
      for (const plain of ['fragment 3', 'init segment', 'ring-full'])
        assert.is(content.indexOf(plain), -1, `${name}: ${plain}`)
    }
  } finally {
    await rm(dir, { recursive: true })
  }
})

test('fragments of 256 KiB to 1 MiB cost at most 5 % more on the card than they have', async () => {
  for (const bytes of [256 * KIB + 1, 300 * KIB, 777_777, 1024 * KIB]) {
    const disk = new FakeDisk()
    await initRing(disk, DIR, { slabBytes: 8 * MIB, capacityBytes: 16 * MIB })
    const clock = new FakeClock()
    const ring = await openFake(disk, { clock, recentBytes: 0, markIntervalMs: 10_000 })
    for (let at = 0; at * bytes < 24 * MIB; at++) {
      await ring.append(fragmentAt(at, bytes))
      ring.ack(ring.log, [[0, at - 2]])
      if (at % 10 === 0) await clock.advance(10_000)
    }
    await ring.close()
    const { writtenBytes, capturedBytes } = ring.stats()
    const counted = disk.calls.reduce((sum, call) => sum + (call.operation === 'write' ? (call.bytes ?? 0) : 0), 0)
    assert.ok(capturedBytes >= 24 * MIB)
    assert.ok(writtenBytes / capturedBytes <= 1.05, `${bytes}: ${writtenBytes / capturedBytes}`)
    // All of what the disk was given is in the account, but for the marker and the slots of the mark.
    assert.ok(counted - writtenBytes < 200 * KIB, `${counted} written, ${writtenBytes} counted`)
  }
})

/** A card of 4 GiB, full: the headers of 64 slabs, nothing but holes for payloads. */
async function fullCard(acked: boolean): Promise<FakeDisk> {
  const disk = new FakeDisk()
  await initRing(disk, DIR, { capacityBytes: 4096 * MIB })
  const sealer = new FakeSealer({ log: 'cc'.repeat(8) })
  const perSlab = 63
  const empty = decodeRecordHeader(sealer.seal({ ...fragmentMeta(0), kind: 'fragment', seq: 0, span: 1 }, []))
  for (let slab = 0; slab < 64; slab++) {
    const file = await disk.open(join(DIR, slabName(slab)), 'create')
    await file.truncate(DEFAULT_SLAB_BYTES)
    for (let at = 0; at < perSlab; at++) {
      const header = encodeRecordHeader({ ...empty, seq: slab * perSlab + at, payloadBytes: 1000 * KIB })
      await file.write(encodeCardRecord(header, slab + 1), at * 1004 * KIB)
    }
    await file.close()
  }
  const end = 64 * perSlab
  const mark = encodeMark({
    counter: 2,
    epoch: 64,
    complete: true,
    slabs: new Map(Array.from({ length: 64 }, (_, slab) => [slab, slab + 1])),
    logs: [{ log: sealer.log, recipient: sealer.recipient, end, acked: acked ? [[0, end - 300]] : [] }],
  })
  const acks = await disk.open(join(DIR, 'acks'), 'write')
  await acks.write([mark], 0)
  await acks.close()
  disk.calls.length = 0
  return disk
}

test('a full card of 4 GiB opens by its headers alone, and by few of them when most of it is safe', async () => {
  for (const acked of [false, true]) {
    const disk = await fullCard(acked)
    const ring = await openFake(disk)
    const reads = disk.calls.filter(({ operation, path }) => operation === 'read' && path.includes('slab'))
    const bytes = reads.reduce((sum, { bytes = 0 }) => sum + bytes, 0)
    // One for each header, a few for each slab; the newest slab is read whole.
    const headers = acked ? 64 + 6 * 63 : 64 * 63
    assert.ok(reads.length < headers + 64 * 4 + 130, `${reads.length} reads`)
    assert.ok(bytes < 128 * MIB + 64 * 80 * KIB, `${bytes} bytes`)
    assert.is(ring.unacked('cc'.repeat(8)).length, (acked ? 299 : 64 * 63) - 63)
    await ring.close()
  }
})

test.run()
