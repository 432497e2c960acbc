/** Sets of fragment numbers as sorted, disjoint, non-touching, inclusive ranges. Pure; inputs are never changed. */

export type Range = readonly [first: number, last: number]

/** `ranges` with first…last added and merged. O(n). */
export function addRange(ranges: readonly Range[], first: number, last: number): Range[] {
  const result: Range[] = []
  let low = first
  let high = last
  let placed = false
  for (const range of ranges) {
    if (range[1] + 1 < low) result.push(range)
    else if (high + 1 < range[0]) {
      if (!placed) result.push([low, high])
      placed = true
      result.push(range)
    } else {
      low = Math.min(low, range[0])
      high = Math.max(high, range[1])
    }
  }
  if (!placed) result.push([low, high])
  return result
}

/** The part of first…last that `ranges` does not hold. */
export function missingFrom(ranges: readonly Range[], first: number, last: number): Range[] {
  const result: Range[] = []
  let next = first
  for (const [low, high] of ranges) {
    if (high < next) continue
    if (low > last) break
    if (low > next) result.push([next, low - 1])
    next = high + 1
  }
  if (next <= last) result.push([next, last])
  return result
}

export function containsRange(ranges: readonly Range[], first: number, last: number): boolean {
  return missingFrom(ranges, first, last).length === 0
}

export function countRanges(ranges: readonly Range[]): number {
  return ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0)
}
