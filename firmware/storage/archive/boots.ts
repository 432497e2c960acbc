/**
 * The boots of all cameras: in which order they came, what their clocks mean, and what follows for a piece of footage. What
 * a session tells is kept in the index and in the journal; what footage itself claims is learned again from it.
 */
import { toHex } from '../../wire/bytes.ts'
import type { CameraMoment } from '../../wire/session.ts'
import { type BootClock, type Learned, type Lesson, learn, type Sighting, wallAt } from './boot-clock.ts'
import { dated, type Limits, SKEW_US, sightingOf } from './dating.ts'
import type { ArchiveIndex } from './index.ts'
import type { BootEntry } from './journal-entry.ts'
import { isDated, type Stamp } from './names.ts'
import type { BootRow } from './rows.ts'

/** The longest a message may have been under way: a channel on which nothing arrives is given up long before. */
const UNDER_WAY_MAX_US = 30_000_000

/** Boots of one camera that are held in memory; the oldest ones can be read again. */
const BOOTS_KEPT = 64

/** Nothing is known of this boot: what the camera lost has no time of its own. */
const NO_BOOT = '0000000000000000'

interface Boot {
  readonly boot: string
  /** Undefined as long as no session has told of it. */
  row: BootRow | undefined
  /** As it is in the index, as far as is known. */
  keptRow: BootRow | undefined
  learned: Learned | undefined
  /** Footage that got no date because it seemed to come from the future. */
  late: Late | undefined
  /** The last moment that footage or contact shows, of this run of the program. */
  endUs: number
  /** Its footage on the disk was looked at for what it says about the clock. */
  searched: boolean
}

interface Late {
  readonly seen: Sighting
  /** The storage device's clock was behind, when it is so far ahead of its monotonic one later on. */
  readonly scaleUs: number
}

interface CameraBoots {
  readonly boots: Map<string, Boot>
}

/** When something without a date of its own was: not before, and not after. */
export interface Bounds {
  /** 0 when nothing earlier is known. */
  readonly afterUs: number
  readonly beforeUs: number
}

/** What of a boot's footage is to be dated now: what has no date, or also what has a wrong one; undefined for nothing. */
export type Redate = 'undated' | 'all' | undefined

/** What a message of the camera changed: rows to be kept, and what follows for its boot and for others. */
export interface Heard {
  readonly rows: readonly Omit<BootEntry, 'type' | 'atUs'>[]
  readonly redate: Redate
  /** Boots whose footage without a date has one after all, for the storage device's clock was behind. */
  readonly late: readonly string[]
  /** To be called when the rows are kept; until then they are named each time. */
  kept(): void
}

export class Boots {
  readonly #index: () => ArchiveIndex
  readonly #cameras = new Map<string, CameraBoots>()

  constructor(index: () => ArchiveIndex) {
    this.#index = index
  }

  /** Another index is in place. */
  forget(): void {
    this.#cameras.clear()
  }

  clockOf(camera: Uint8Array, id: string): BootClock | undefined {
    const known = this.#known(camera)
    const boot = this.#boot(known, id)
    if (boot.learned === undefined) this.#search(camera, boot, this.#previousEnd(known, boot))
    return boot.learned?.clock
  }

  /**
   * The camera's clocks, at most a moment before `receivedUs`. `scaleUs`: how far the storage device's wall clock is ahead of
   * its monotonic one; undefined while it does not know the time itself.
   */
  heard(camera: Uint8Array, moment: CameraMoment, receivedUs: number, scaleUs: number | undefined): Heard {
    const known = this.#known(camera)
    const before = new Map([...known.boots].map(([boot, { row }]) => [boot, row]))
    const boot = this.#boot(known, moment.boot)
    let lesson: Lesson = 'nothing'
    if (scaleUs !== undefined) {
      const result = learn(boot.learned, sightingIn(moment, receivedUs))
      boot.learned = result.learned
      lesson = result.lesson
      boot.endUs = Math.max(boot.endUs, receivedUs)
    }
    if (moment.backlog !== undefined)
      this.#order(known, [...moment.backlog.map((span) => span.boot), moment.boot], receivedUs)
    const { clock } = boot.learned ?? {}
    if (boot.row !== undefined && lesson !== 'nothing') boot.row = { ...boot.row, clock: keptClock(clock) }
    const changed = [...known.boots.values()].flatMap((other) =>
      other.row === undefined || other.row === other.keptRow ? [] : [{ other, row: other.row }],
    )
    const rows = changed.map(({ other, row }) => ({ camera: toHex(camera), boot: other.boot, ...row }))
    const kept = () => {
      for (const { other, row } of changed) other.keptRow = row
    }
    // Until now its footage was dated by what it claims, if at all.
    const first = lesson !== 'nothing' && before.get(moment.boot)?.clock == null
    const late = scaleUs === undefined ? [] : this.#late(known, scaleUs)
    return { rows, redate: first ? 'all' : redateAfter(lesson), late, kept }
  }

  /** The stamp of a piece of footage with its date. `redate`: it told more of its boot's time than was known before. */
  place<S extends Stamp>(
    camera: Uint8Array,
    stamp: S,
    durationUs: number,
    receivedUs: number,
    scaleUs: number | undefined,
  ): { readonly stamp: S; readonly redate: Redate } {
    if (stamp.boot === NO_BOOT) return { stamp: { ...stamp, wallUs: 0, clock: 'none' }, redate: undefined }
    const known = this.#known(camera)
    const boot = this.#boot(known, stamp.boot)
    const earliestUs = this.#previousEnd(known, boot)
    const limits: Limits = { earliestUs, latestUs: scaleUs === undefined ? Number.POSITIVE_INFINITY : receivedUs }
    const lesson = this.#learnFrom(boot, stamp, durationUs, limits)
    if (boot.learned === undefined) this.#search(camera, boot, earliestUs)
    const placed = dated(stamp, durationUs, boot.learned?.clock, limits)
    if (placed.clock !== 'none') boot.endUs = Math.max(boot.endUs, placed.wallUs + durationUs)
    else if (scaleUs !== undefined) this.#noteLate(boot, stamp, durationUs, limits, scaleUs)
    return { stamp: placed, redate: redateAfter(lesson) }
  }

  /** As `place`, for something that is only looked at. */
  date<S extends Stamp>(camera: Uint8Array, stamp: S, durationUs: number, latestUs: number): S {
    const known = this.#known(camera)
    const boot = known.boots.get(stamp.boot)
    const earliestUs = boot === undefined ? 0 : this.#previousEnd(known, boot)
    return dated(stamp, durationUs, boot?.learned?.clock, { earliestUs, latestUs })
  }

  bounds(camera: Uint8Array, boot: string, nowUs: number): Bounds {
    const known = this.#known(camera)
    const own = known.boots.get(boot)
    if (own?.row === undefined) return { afterUs: 0, beforeUs: nowUs }
    const { order, heardUs } = own.row
    const others = [...known.boots.values()].filter((other) => other !== own && other.row !== undefined)
    const later = others.filter(({ row }) => (row?.order ?? 0) > order).map(startOf)
    return { afterUs: this.#previousEnd(known, own), beforeUs: Math.min(heardUs, nowUs, ...later) }
  }

  /** The last moment of any boot before this one. */
  #previousEnd({ boots }: CameraBoots, { row }: Boot): number {
    if (row === undefined) return 0
    const earlier = [...boots.values()].filter((other) => other.row !== undefined && other.row.order < row.order)
    return Math.max(0, ...earlier.map((other) => Math.max(other.row?.endUs ?? 0, other.endUs)))
  }

  #learnFrom(boot: Boot, stamp: Stamp, durationUs: number, limits: Limits): Lesson {
    const seen = sightingOf(stamp, durationUs, limits)
    if (seen === undefined) return 'nothing'
    const { learned, lesson } = learn(boot.learned, seen)
    boot.learned = learned
    return lesson
  }

  /** What it claims, or its boot's clock says, is possible should the storage device's clock turn out to be behind. */
  #noteLate(boot: Boot, stamp: Stamp, durationUs: number, { earliestUs, latestUs }: Limits, scaleUs: number): void {
    const wallUs =
      isDated(stamp) || boot.learned === undefined ? stamp.wallUs : wallAt(boot.learned.clock, stamp.monoUs)
    const claim: Stamp = { ...stamp, wallUs, clock: stamp.clock === 'none' ? 'synchronised' : stamp.clock }
    const seen = sightingOf(claim, durationUs, { earliestUs, latestUs: Number.POSITIVE_INFINITY })
    const behindUs = wallUs + durationUs - SKEW_US - latestUs
    if (seen === undefined || behindUs <= 0) return
    if (boot.late === undefined || scaleUs + behindUs < boot.late.scaleUs)
      boot.late = { seen, scaleUs: scaleUs + behindUs }
  }

  /** Boots whose footage did not come from the future, seen from now: the clock was set forward since. */
  #late({ boots }: CameraBoots, scaleUs: number): string[] {
    const found = [...boots.values()].filter(({ late }) => late !== undefined && late.scaleUs <= scaleUs)
    for (const boot of found) {
      if (boot.late !== undefined) boot.learned = learn(boot.learned, boot.late.seen).learned
      boot.late = undefined
    }
    return found.map(({ boot }) => boot)
  }

  /** Footage of the boot that has a date, stored before this run of the program, tells the time of what has none. */
  #search(camera: Uint8Array, boot: Boot, earliestUs: number): void {
    if (boot.searched) return
    boot.searched = true
    for (const { row } of this.#index().allFiles(camera)) {
      if (row.boot !== boot.boot || !row.dated || row.shiftUs !== undefined) continue
      const stamp: Stamp = { boot: row.boot, monoUs: row.monoUs, wallUs: row.startUs, clock: 'synchronised' }
      this.#learnFrom(boot, stamp, 0, { earliestUs, latestUs: Number.POSITIVE_INFINITY })
    }
  }

  /** Boots as the camera has gone through them, oldest first; those that are known stay where they are. */
  #order(known: CameraBoots, boots: readonly string[], heardUs: number): void {
    const run = boots.filter((boot, at) => boot !== NO_BOOT && boots.indexOf(boot) === at)
    for (const [at, id] of run.entries()) {
      const boot = this.#boot(known, id)
      if (boot.row !== undefined) continue
      const orders = [...known.boots.values()].flatMap(({ row }) => (row === undefined ? [] : [row.order]))
      const next = run.slice(at + 1).flatMap((later) => known.boots.get(later)?.row?.order ?? [])
      const above = next.length === 0 ? Math.max(0, ...orders) + 2 : Math.min(...next)
      const below = Math.max(0, ...orders.filter((order) => order < above))
      boot.row = { order: (above + below) / 2, heardUs, endUs: 0, clock: keptClock(boot.learned?.clock) }
      // What came before is over: its last moment stays known.
      for (const other of known.boots.values()) {
        if (other.row === undefined || other.row.order >= boot.row.order || other.endUs <= other.row.endUs) continue
        other.row = { ...other.row, endUs: other.endUs }
      }
    }
  }

  #known(camera: Uint8Array): CameraBoots {
    const key = toHex(camera)
    const found = this.#cameras.get(key)
    if (found !== undefined) return found
    const rows = this.#index().boots(camera)
    const fresh: CameraBoots = {
      boots: new Map(
        rows
          .sort((a, b) => a.row.order - b.row.order)
          .map(({ boot, row }) => {
            const learned = row.clock === null ? undefined : { clock: row.clock }
            return [boot, { boot, row, keptRow: row, learned, late: undefined, endUs: row.endUs, searched: false }]
          }),
      ),
    }
    this.#cameras.set(key, fresh)
    return fresh
  }

  /** Made when it is new. Boots that no session told of are forgotten when there are too many. */
  #boot({ boots }: CameraBoots, id: string): Boot {
    const known = boots.get(id)
    if (known !== undefined) return known
    const none = { row: undefined, keptRow: undefined, learned: undefined, late: undefined }
    const fresh: Boot = { boot: id, ...none, endUs: 0, searched: false }
    boots.set(id, fresh)
    const loose = [...boots.values()].filter(({ row }) => row === undefined)
    const oldest = loose.length > BOOTS_KEPT ? loose[0] : undefined
    if (oldest !== undefined) boots.delete(oldest.boot)
    return fresh
  }
}

/** When a boot had begun for certain. */
function startOf({ row, learned }: Boot): number {
  const heardUs = row?.heardUs ?? Number.POSITIVE_INFINITY
  return learned === undefined ? heardUs : Math.min(heardUs, wallAt(learned.clock, 0))
}

/** Only what a session measured is kept: the rest can be learned again from the footage. */
function keptClock(clock: BootClock | undefined): BootClock | null {
  return clock?.source === 'session' ? clock : null
}

function redateAfter(lesson: Lesson): Redate {
  return lesson === 'known' ? 'undated' : lesson === 'stepped' ? 'all' : undefined
}

/**
 * It was said before it was received, and after what the camera heard last was said: the storage device's own clock stands
 * at both ends, the camera's monotonic one measures what is between.
 */
function sightingIn({ monoUs, heard }: CameraMoment, receivedUs: number): Sighting {
  const earliest = receivedUs - UNDER_WAY_MAX_US
  const echoed = heard === undefined ? earliest : heard.wallUs + Math.max(0, monoUs - heard.monoUs)
  // An echo from the future is one from before the storage device's clock was set back.
  const earlyUs = echoed > receivedUs ? earliest : Math.max(earliest, echoed)
  return { source: 'session', monoUs, earlyUs, lateUs: receivedUs }
}
