/** Throws away everything in a ring and frees it for any camera. */
import { join } from 'node:path'
import type { Disk } from '../../platform/disk.ts'
import { writeAtomic } from '../../platform/disk-files.ts'
import { type Random, realRandom } from '../../platform/random.ts'
import { toHex } from '../../wire/bytes.ts'
import { ACKS_FILE, blankSlots, readMarker, writeMarker } from './marker.ts'
import { slabNumber } from './slabs.ts'

/**
 * The ring must not be open. Its sizes stay; the marker loses its owner last, so that after a power cut it is still a ring
 * of the same camera, only emptier. Throws RING_UNMARKED.
 */
export async function emptyRing(disk: Disk, dir: string, random: Random = realRandom): Promise<void> {
  const { owner: _, ...marker } = await readMarker(disk, dir)
  const slabs = (await disk.list(dir)).filter((entry) => slabNumber(entry.name) !== undefined)
  for (const { name } of slabs) await disk.remove(join(dir, name))
  await disk.syncDir(dir)
  await writeAtomic(disk, join(dir, ACKS_FILE), blankSlots())
  await writeMarker(disk, dir, { ...marker, ring: toHex(random.bytes(8)) })
}
