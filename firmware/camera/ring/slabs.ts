/** Where on the card the next record goes: which slab to take, when to make one, when the ring is full. Pure. */
import { BLOCK_BYTES } from './card-record.ts'

/** A card erases in units of mostly 4 MiB; slabs cover whole ones. */
export const SLAB_UNIT_BYTES = 4 * 1024 * 1024
export const DEFAULT_SLAB_BYTES = 16 * SLAB_UNIT_BYTES

/** The end of every slab takes gap records only, so that a full ring can still say what it misses. */
export const RESERVE_BYTES = 64 * 1024
export const RESERVE_SLOTS = RESERVE_BYTES / BLOCK_BYTES

export interface SlabUse {
  readonly number: number
  /** Of its newest use; the lowest is the oldest. */
  readonly epoch: number
  /** Records in it that are not safe yet. */
  readonly unacked: number
}

export interface SlabLimits {
  readonly slabBytes: number
  /** Slabs that the ring may have. */
  readonly maxSlabs: number
  /** Free on the card. */
  readonly freeBytes: number
  /** Left free on the card, for its file system and its other users. */
  readonly keepFreeBytes: number
}

export type SlabPlan =
  | { readonly kind: 'reuse'; readonly number: number }
  | { readonly kind: 'create'; readonly number: number }
  | { readonly kind: 'full' }

/**
 * `slabs` without the one in use, or with it when it is to be left. All of the card is used before the oldest is written over:
 * that spreads the wear, and what is safe stays readable for healing as long as possible.
 */
export function planNextSlab(slabs: readonly SlabUse[], limits: SlabLimits): SlabPlan {
  const room = limits.freeBytes >= limits.slabBytes + limits.keepFreeBytes
  if (slabs.length < limits.maxSlabs && room) return { kind: 'create', number: firstUnused(slabs) }
  const oldest = freeSlabs(slabs)[0]
  return oldest === undefined ? { kind: 'full' } : { kind: 'reuse', number: oldest.number }
}

/** Free slabs above the limit, after it was lowered; the newest footage stays. */
export function surplusSlabs(slabs: readonly SlabUse[], current: number, maxSlabs: number): number[] {
  const surplus = Math.max(0, slabs.length - maxSlabs)
  return freeSlabs(slabs)
    .filter((slab) => slab.number !== current)
    .slice(0, surplus)
    .map((slab) => slab.number)
}

function freeSlabs(slabs: readonly SlabUse[]): SlabUse[] {
  return slabs.filter((slab) => slab.unacked === 0).sort((a, b) => a.epoch - b.epoch)
}

function firstUnused(slabs: readonly SlabUse[]): number {
  const taken = new Set(slabs.map((slab) => slab.number))
  let number = 0
  while (taken.has(number)) number++
  return number
}

export function slabName(number: number): string {
  return `slab-${String(number).padStart(4, '0')}.hwr`
}

export function slabNumber(name: string): number | undefined {
  const digits = /^slab-(\d{4,6})\.hwr$/.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}
