/** A full ring of real size, of which only the headers take room: payloads are holes, which read as the zeros they are. */
import { join } from 'node:path'
import type { Disk } from '../../platform/disk.ts'
import { decodeRecordHeader, encodeRecordHeader, joinPayload, RECORD_HEADER_BYTES } from '../../wire/record.ts'
import { BLOCK_BYTES, cardBytes, encodeCardRecord } from './card-record.ts'
import { initRing } from './marker.ts'
import { fragmentMeta } from './ring-fixture.ts'
import { reserveStart } from './scan.ts'
import { FakeSealer } from './sealer-fake.ts'
import { slabName } from './slabs.ts'

export interface LargeRing {
  readonly slabs: number
  readonly slabBytes: number
  /** Init segment and fragment. */
  readonly payloadBytes: number
}

/** One log through all slabs, nothing of it ACKed. Resolves with the number of records. */
export async function writeLargeRing(
  disk: Disk,
  dir: string,
  { slabs, slabBytes, payloadBytes }: LargeRing,
): Promise<number> {
  await initRing(disk, dir, { slabBytes, capacityBytes: slabs * slabBytes })
  const sealer = new FakeSealer()
  const payload = joinPayload(new Uint8Array(0), new Uint8Array(payloadBytes))
  const record = new Uint8Array(sealer.seal({ ...fragmentMeta(0), kind: 'fragment', seq: 0, span: 1 }, payload))
  const header = decodeRecordHeader(record.slice(0, RECORD_HEADER_BYTES))
  record.fill(0)
  const bytes = cardBytes(record.byteLength - RECORD_HEADER_BYTES)
  let seq = 0
  for (let slab = 0; slab < slabs; slab++) {
    const file = await disk.open(join(dir, slabName(slab)), 'write')
    await file.truncate(slabBytes)
    for (let at = 0; at + bytes <= reserveStart(slabBytes); at += bytes) {
      encodeRecordHeader({ ...header, ...fragmentMeta(seq), seq }, record.subarray(0, RECORD_HEADER_BYTES))
      const first = Buffer.concat(encodeCardRecord(record, slab + 1).slice(0, 2))
      await file.write([first, new Uint8Array(BLOCK_BYTES - first.byteLength)], at)
      seq++
    }
    await file.datasync()
    await file.close()
  }
  await disk.syncDir(dir)
  return seq
}
