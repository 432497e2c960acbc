/**
 * Which file a fragment goes to. Pure. A file holds consecutive numbers of one camera, log, run and init segment, within one
 * clock-aligned window, with decode times that rise; live and backlog get files of their own, being not consecutive.
 */
import type { FragmentTrack } from '../../media/fragment.ts'
import type { TimeBase } from '../../media/rebase.ts'
import { isDated, type Stamp, scaleUs, windowOf } from './names.ts'

/** Keeps 32-bit sizes and every player out of trouble; 10 minutes reach it at 28 Mbit/s. */
export const FILE_MAX_BYTES = 2 * 1024 ** 3

/** Wall and monotonic time may drift apart by this much between two fragments before it counts as a step of the clock. */
const CLOCK_STEP_US = 1_000_000

export interface Incoming extends Stamp {
  readonly log: string
  readonly seq: number
  readonly run: number
  /** SHA-256 of the init segment as captured, hex. */
  readonly initHash: string
  readonly tracks: readonly FragmentTrack[]
  /** Bytes it will take in a file. */
  readonly entryBytes: number
}

/** What an open file says about the fragment that may follow. */
export interface Tail {
  readonly log: string
  readonly nextSeq: number
  readonly run: number
  readonly initHash: string
  readonly window: number
  readonly last: Stamp
  /** Per track id, as captured: the decode time where the last fragment ended, less half a sample for rounding. */
  readonly nextTicks: ReadonlyMap<number, number>
  readonly bytes: number
}

/** Why a fragment cannot go on in a file; undefined when it can. */
export type Break = 'log' | 'number' | 'run' | 'init' | 'clock' | 'window' | 'decode time' | 'size'

export function breakBetween(tail: Tail, next: Incoming): Break | undefined {
  if (tail.log !== next.log) return 'log'
  if (tail.nextSeq !== next.seq) return 'number'
  if (tail.run !== next.run) return 'run'
  if (tail.initHash !== next.initHash) return 'init'
  if (clockStepped(tail.last, next)) return 'clock'
  if (tail.window !== windowOf(scaleUs(next))) return 'window'
  if (next.tracks.some((track) => track.decodeTime < (tail.nextTicks.get(track.id) ?? 0))) return 'decode time'
  if (tail.bytes + next.entryBytes > FILE_MAX_BYTES) return 'size'
  return undefined
}

function clockStepped(last: Stamp, next: Stamp): boolean {
  if (last.boot !== next.boot || isDated(last) !== isDated(next)) return true
  if (next.monoUs < last.monoUs) return true
  if (!isDated(next)) return false
  return Math.abs(next.wallUs - last.wallUs - (next.monoUs - last.monoUs)) > CLOCK_STEP_US
}

/** The tail of a file that begins with `first`: no track may go back before its time base. */
export function tailOfFirst(first: Incoming, bases: readonly TimeBase[], bytes: number): Tail {
  const nextTicks = new Map(bases.map(({ track, ticks }) => [track, ticks]))
  return extended({ nextTicks, window: windowOf(scaleUs(first)) }, first, bytes)
}

/** The tail of a file once `added` is its last fragment. */
export function tailAfter(before: Tail, added: Incoming, bytes: number): Tail {
  return extended(before, added, bytes)
}

function extended(before: Pick<Tail, 'nextTicks' | 'window'>, added: Incoming, bytes: number): Tail {
  const nextTicks = new Map(before.nextTicks)
  for (const { id, decodeTime, durationTicks, samples } of added.tracks) {
    const slack = samples === 0 ? 0 : Math.floor(durationTicks / samples / 2)
    nextTicks.set(id, decodeTime + durationTicks - slack)
  }
  const { boot, monoUs, wallUs, clock } = added
  return {
    log: added.log,
    nextSeq: added.seq + 1,
    run: added.run,
    initHash: added.initHash,
    window: before.window,
    last: { boot, monoUs, wallUs, clock },
    nextTicks,
    bytes,
  }
}

/**
 * The open file that takes `next`, and those that can take nothing any more because their successor went elsewhere.
 */
export function assign<File extends { readonly tail: Tail }>(
  open: readonly File[],
  next: Incoming,
): { file: File | undefined; finished: File[] } {
  const reasons = open.map((file) => ({ file, broken: breakBetween(file.tail, next) }))
  const file = reasons.find(({ broken }) => broken === undefined)?.file
  const finished = reasons.filter(
    ({ file: other, broken }) => other !== file && broken !== undefined && broken !== 'log' && broken !== 'number',
  )
  return { file, finished: finished.map(({ file: other }) => other) }
}
