/** `ring.json`: marks a folder as a ring's home, so that an unmounted card never fills the disk underneath. */
import { join } from 'node:path'
import * as v from 'valibot'
import type { Disk } from '../../platform/disk.ts'
import { makeDurableDir, readWhole, writeAtomic } from '../../platform/disk-files.ts'
import { type Random, realRandom } from '../../platform/random.ts'
import { toHex } from '../../wire/bytes.ts'
import { HomewardError } from '../../wire/errors.ts'
import { encodeMark, SLOT_BYTES } from './acks.ts'
import { DEFAULT_SLAB_BYTES, RESERVE_BYTES, SLAB_UNIT_BYTES, slabNumber } from './slabs.ts'

export const MARKER_FILE = 'ring.json'
export const ACKS_FILE = 'acks'
const MARKER_MAX_BYTES = 16 * 1024
const VERSION = 1

const bytes = v.pipe(v.number(), v.safeInteger(), v.minValue(1))
const schema = v.object({
  version: v.literal(VERSION),
  /** 16 hex digits, random. */
  ring: v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/)),
  slabBytes: bytes,
  /** What the ring may take of the card; without it, what is free. */
  capacityBytes: v.exactOptional(bytes),
  /** UID of the camera that used it first. */
  owner: v.exactOptional(v.string()),
})

export type Marker = v.InferOutput<typeof schema>

export interface InitRingOptions {
  /** A multiple of 4 MiB, 64 MiB by default. Longer fragments than a slab are not kept. */
  readonly slabBytes?: number
  /** At least one slab. */
  readonly capacityBytes?: number
  /** Slabs that are no multiple of 4 MiB: for tests, which cannot wait for large ones. */
  readonly anySlabBytes?: boolean
  readonly random?: Random
}

/**
 * Makes the folder a ring's home. Slabs that lost their marker are kept and found when the ring is opened. Throws
 * RING_MARKED when a marker is there, CONFIG_INVALID for sizes that cannot be.
 */
export async function initRing(disk: Disk, dir: string, options: InitRingOptions = {}): Promise<Marker> {
  const { slabBytes = DEFAULT_SLAB_BYTES, capacityBytes, random = realRandom } = options
  checkSizes(slabBytes, capacityBytes, options.anySlabBytes === true)
  await makeDurableDir(disk, dir)
  if (await isMarked(disk, dir)) {
    throw new HomewardError('RING_MARKED', `${dir} is marked as a ring already; it is left as it is`, {
      hint: 'Use it as it is. To throw its footage away, delete the files in it first.',
    })
  }
  const slabs = (await disk.list(dir)).filter((entry) => slabNumber(entry.name) !== undefined)
  // One that was cut short says nothing about their size.
  const found = Math.max(0, ...slabs.map((entry) => entry.bytes))
  const marker: Marker = {
    version: VERSION,
    ring: toHex(random.bytes(8)),
    slabBytes: found || slabBytes,
    ...(capacityBytes !== undefined && { capacityBytes }),
  }
  // The slots stand before the first record does: from then on a missing mark is damage.
  if (slabs.length === 0) await writeAtomic(disk, join(dir, ACKS_FILE), blankSlots())
  await writeMarker(disk, dir, marker)
  return marker
}

function checkSizes(slabBytes: number, capacityBytes: number | undefined, any: boolean): void {
  const least = any ? 2 * RESERVE_BYTES : SLAB_UNIT_BYTES
  const unit = any ? RESERVE_BYTES : SLAB_UNIT_BYTES
  if (!Number.isSafeInteger(slabBytes) || slabBytes < least || slabBytes % unit !== 0) {
    throw new HomewardError('CONFIG_INVALID', `slabs of ${slabBytes} bytes, expected a multiple of ${unit}`)
  }
  if (capacityBytes !== undefined && !(capacityBytes >= slabBytes)) {
    throw new HomewardError('CONFIG_INVALID', `a ring of ${capacityBytes} bytes, expected at least ${slabBytes}`, {
      hint: 'A ring takes at least one slab.',
    })
  }
}

export function blankSlots(): Uint8Array {
  const slots = new Uint8Array(2 * SLOT_BYTES)
  slots.set(encodeMark({ counter: 1, epoch: 0, complete: true, slabs: new Map(), logs: [] }), SLOT_BYTES)
  return slots
}

async function isMarked(disk: Disk, dir: string): Promise<boolean> {
  const found = await readWhole(disk, join(dir, MARKER_FILE), MARKER_MAX_BYTES)
  return found !== undefined && parseJson(found) !== undefined
}

/** Throws RING_UNMARKED when there is no marker, or none that can be read; RING_FOREIGN for another version. */
export async function readMarker(disk: Disk, dir: string): Promise<Marker> {
  const found = await readWhole(disk, join(dir, MARKER_FILE), MARKER_MAX_BYTES)
  const hint = `Is the card mounted there? To start a ring on it: homeward camera ring init ${dir}`
  if (found === undefined) throw new HomewardError('RING_UNMARKED', `${dir} is not marked as a ring`, { hint })
  const value = parseJson(found)
  if (value === undefined) throw new HomewardError('RING_UNMARKED', `the marker in ${dir} is damaged`, { hint })
  const result = v.safeParse(schema, value)
  if (result.success) return result.output
  const where = join(dir, MARKER_FILE)
  throw new HomewardError('RING_FOREIGN', `${where} is not one of version ${VERSION}: ${result.issues[0].message}`, {
    hint: 'A newer version of homeward may have made it.',
  })
}

export async function writeMarker(disk: Disk, dir: string, marker: Marker): Promise<void> {
  await writeAtomic(disk, join(dir, MARKER_FILE), new Uint8Array(Buffer.from(`${JSON.stringify(marker, null, 2)}\n`)))
}

/** Undefined when it is no JSON at all, as after damage. */
function parseJson(text: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(text).toString('utf8')) ?? undefined
  } catch {
    return undefined
  }
}
