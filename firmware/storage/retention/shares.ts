/** How the disk is shared out, and how long it will last. Pure; bytes, and days as fractions. */

/** Equal shares of `capacity`; what one does not want goes to the others. */
export function sharesOf(capacity: number, wanted: readonly number[]): number[] {
  const shares = wanted.map(() => 0)
  let left = Math.max(0, capacity)
  let open = wanted.map((_, index) => index)
  while (open.length > 0) {
    const level = left / open.length
    const content = open.filter((index) => (wanted[index] ?? 0) <= level)
    if (content.length === 0) {
      for (const index of open) shares[index] = level
      break
    }
    for (const index of content) {
      shares[index] = wanted[index] ?? 0
      left -= wanted[index] ?? 0
    }
    open = open.filter((index) => !content.includes(index))
  }
  return shares
}

export interface CameraUse {
  readonly bytes: number
  /** Of the last days; null when there is too little to tell. */
  readonly bytesPerDay: number | null
  /** Limits of its own; null: none. */
  readonly days: number | null
  readonly limitBytes: number | null
}

export interface CameraOutlook {
  /** Of the disk, when all of it is needed. */
  readonly shareBytes: number
  /** Days of footage that will be there once old footage goes for new; null when it cannot be told. */
  readonly keepsDays: number | null
  /** What will make old footage go: its own limit, or the disk. Null when it cannot be told. */
  readonly limitedBy: 'days' | 'bytes' | 'disk' | null
}

export interface Outlook {
  /** All cameras together. */
  readonly bytesPerDay: number
  /** Until footage goes because the disk needs room; null: never at this rate, for the cameras' own limits come first. */
  readonly fullInDays: number | null
  readonly cameras: readonly CameraOutlook[]
}

/** `roomBytes`: what footage may still take. */
export function outlookOf(cameras: readonly CameraUse[], roomBytes: number): Outlook {
  const capacity = cameras.reduce((sum, { bytes }) => sum + bytes, 0) + roomBytes
  const wanted = cameras.map(wantedBytes)
  const shares = sharesOf(capacity, wanted)
  return {
    bytesPerDay: cameras.reduce((sum, { bytesPerDay }) => sum + (bytesPerDay ?? 0), 0),
    fullInDays: fullInDays(cameras, wanted, roomBytes),
    cameras: cameras.map((camera, index) => cameraOutlook(camera, shares[index] ?? 0, wanted[index] ?? 0)),
  }
}

/** What a camera would fill with all the room in the world. */
function wantedBytes({ bytesPerDay, days, limitBytes }: CameraUse): number {
  const byDays = days === null || bytesPerDay === null ? Number.POSITIVE_INFINITY : days * bytesPerDay
  return Math.min(byDays, limitBytes ?? Number.POSITIVE_INFINITY)
}

function cameraOutlook(
  { bytesPerDay, days, limitBytes }: CameraUse,
  shareBytes: number,
  wanted: number,
): CameraOutlook {
  if (bytesPerDay === null || bytesPerDay === 0) return { shareBytes, keepsDays: null, limitedBy: null }
  const byDisk = wanted > shareBytes
  const byDays = days !== null && days * bytesPerDay <= (limitBytes ?? Number.POSITIVE_INFINITY)
  const keepsDays = Math.min(wanted, shareBytes) / bytesPerDay
  return { shareBytes, keepsDays, limitedBy: byDisk ? 'disk' : byDays ? 'days' : 'bytes' }
}

/** Each camera grows at its rate until it has what it wants. */
function fullInDays(cameras: readonly CameraUse[], wanted: readonly number[], roomBytes: number): number | null {
  let room = roomBytes
  if (room <= 0) return 0
  let day = 0
  const growing = cameras
    .map(({ bytes, bytesPerDay }, index) => ({ rate: bytesPerDay ?? 0, left: (wanted[index] ?? 0) - bytes }))
    .filter(({ rate, left }) => rate > 0 && left > 0)
    .map(({ rate, left }) => ({ rate, untilDay: left / rate }))
    .sort((one, other) => one.untilDay - other.untilDay)
  while (growing.length > 0) {
    const rate = growing.reduce((sum, one) => sum + one.rate, 0)
    const until = growing.shift()?.untilDay ?? day
    if (room <= rate * (until - day)) return day + room / rate
    room -= rate * (until - day)
    day = until
  }
  return null
}
