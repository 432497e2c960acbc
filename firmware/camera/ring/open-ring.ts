/** Opens the ring in a folder: marker, lock, owner, what is on the card. Writes nothing to a ring that is not ours. */
import type { Clock } from '../../platform/clock.ts'
import type { Disk } from '../../platform/disk.ts'
import { HomewardError, isHomewardError, systemCode } from '../../wire/errors.ts'
import type { RecordSealer } from '../../wire/record.ts'
import { CardRing, toFailure } from './card-ring.ts'
import { type FolderLock, lockFolder } from './lock.ts'
import { type Marker, readMarker, writeMarker } from './marker.ts'
import { Patience } from './patience.ts'
import type { Ring } from './ring.ts'
import { SlabStore } from './slab-store.ts'
import { surveySlabs } from './survey.ts'

const MIB = 1024 * 1024

export interface RingOptions {
  readonly disk: Disk
  readonly dir: string
  /** Whose ring it is; every record on it must be this camera's. */
  readonly camera: { readonly publicKey: Uint8Array; readonly uid: string }
  /** Of a log that was never used before. Closed with the ring, or when it does not open. */
  readonly sealer: RecordSealer
  /** This boot, 16 hex digits. */
  readonly boot: string
  readonly clock: Clock
  /** What the ring may take of the card; by default what its marker says, else all that is free. */
  readonly capacityBytes?: number
  /** Left free on the card. */
  readonly keepFreeBytes?: number
  /** The latest records kept in memory, for live sending. */
  readonly recentBytes?: number
  /** Fragments waiting for a slow card; what comes beyond is a gap. */
  readonly maxWaitingBytes?: number
  /**
   * The ACK mark is at most this old. An old one only causes questions to the storage device, or footage to be sent again;
   * small writes to one place, often, are what wears a card out.
   */
  readonly markIntervalMs?: number
  /** A call that the card does not answer for so long is a failure. Cards stall for a second now and then. */
  readonly stallMs?: number
  readonly lock?: FolderLock
}

/**
 * Throws RING_UNMARKED, RING_FOREIGN, AGENT_RUNNING, DISK_FULL when there is no room for a single slab, RING_FAILED when the
 * card cannot be read. A card that can be read but not written opens all the same, so that its footage is not stuck:
 * `stats().card` says so, and `append` rejects.
 */
export async function openRing(options: RingOptions): Promise<Ring> {
  const { disk, dir, lock = lockFolder } = options
  try {
    await readMarker(disk, dir)
    const release = await lock(dir)
    const ring = await load(options, await readMarker(disk, dir), release).catch(async (error: unknown) => {
      await release()
      throw error
    })
    return await started(ring)
  } catch (error) {
    options.sealer.close()
    throw isHomewardError(error) || systemCode(error) === undefined ? error : toFailure(error)
  }
}

/** Reads only. */
async function load(options: RingOptions, marker: Marker, release: () => Promise<void>): Promise<CardRing> {
  const { disk, dir, camera, sealer, boot, clock } = options
  if (marker.owner !== undefined && marker.owner !== camera.uid) {
    throw new HomewardError('RING_FOREIGN', `the ring in ${dir} belongs to camera ${marker.owner}`, {
      hint: 'Put the card back into its own camera, or prepare an empty one with: homeward camera ring init DIR',
    })
  }
  const store = new SlabStore(disk, dir, marker.slabBytes, new Patience(clock, options.stallMs ?? 10_000))
  const files = await store.list()
  const mark = await store.readMark()
  const readers = new Map(files.map(({ number }) => [number, store.reader(number)]))
  const survey = () => surveySlabs(readers, mark, camera.publicKey)
  const { inventory, epoch, current } = await store.surveying(survey)
  if (inventory.log(sealer.log) !== undefined) {
    throw new HomewardError('INTERNAL', `log ${sealer.log} is on the card already; every opening needs one of its own`)
  }
  const keepFreeBytes = options.keepFreeBytes ?? 16 * MIB
  const cutShort = files.filter(({ bytes }) => bytes < marker.slabBytes)
  const whole = () => wholeCard(store, files.length, keepFreeBytes)
  return new CardRing({
    store,
    inventory,
    sealer,
    boot,
    clock,
    epoch,
    counter: mark.mark?.counter ?? 0,
    capacityBytes: options.capacityBytes ?? marker.capacityBytes ?? (await whole()),
    keepFreeBytes,
    recentBytes: options.recentBytes ?? 16 * MIB,
    maxWaitingBytes: options.maxWaitingBytes ?? 32 * MIB,
    markIntervalMs: options.markIntervalMs ?? 300_000,
    continuation: current,
    cutShort: cutShort.map(({ number }) => number),
    claim: async () => {
      if (marker.owner === undefined) await writeMarker(disk, dir, { ...marker, owner: camera.uid })
    },
    release,
  })
}

async function wholeCard(store: SlabStore, slabs: number, keepFreeBytes: number): Promise<number> {
  return slabs * store.slabBytes + Math.max(0, (await store.freeBytes()) - keepFreeBytes)
}

async function started(ring: CardRing): Promise<Ring> {
  try {
    await ring.start()
  } catch (error) {
    if (isHomewardError(error, 'RING_FAILED')) return ring
    await ring.close()
    throw error
  }
  return ring
}
