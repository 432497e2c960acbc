/** What uvu says at the end of a file. */
export interface Summary {
  readonly total: number
  readonly passed: number
  readonly skipped: number
  readonly failed: number
}

/** Reads uvu's closing lines; all zero when they are missing, as after a crash. */
export function parseSummary(output: string): Summary {
  const read = (word: string) => Number(new RegExp(`^\\s+${word}:\\s+(\\d+)$`, 'm').exec(output)?.[1] ?? 0)
  const total = read('Total')
  const passed = read('Passed')
  const skipped = read('Skipped')
  // uvu counts skipped tests outside of its total.
  return { total: total + skipped, passed, skipped, failed: total - passed }
}
