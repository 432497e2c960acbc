/** One line of the table: what was measured of ours beside a rival or a limit, in pairs. Pure. */

export interface Row {
  readonly name: string
  readonly unit: string
  readonly ours: readonly number[]
  /** What `ours` is divided by, pair by pair; one value stands for all. */
  readonly rival: readonly number[]
  readonly rivalName: string
  /** The ratio must be at least, or at most, this. */
  readonly target: { readonly least: number } | { readonly most: number }
  /** Which ratio is held against the target. */
  readonly by: 'median' | 'worst'
  /** What a reader needs to judge the figures. */
  readonly notes: readonly string[]
}

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export interface Verdict {
  readonly ratio: Spread
  readonly holds: boolean
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (index: number) => sorted[index] ?? Number.NaN
  const middle = (sorted.length - 1) / 2
  return { median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2, min: at(0), max: at(sorted.length - 1) }
}

/** Without a single pair nothing holds. */
export function judge({ ours, rival, target, by }: Row): Verdict {
  const ratio = spreadOf(ours.map((value, index) => value / (rival[index] ?? rival[0] ?? Number.NaN)))
  const holds =
    'least' in target
      ? ratio[by === 'worst' ? 'min' : 'median'] >= target.least
      : ratio[by === 'worst' ? 'max' : 'median'] <= target.most
  return { ratio, holds }
}

const HEADINGS = ['row', 'ours', 'rival or limit', 'ratio', 'target', 'holds']

/** All rows as text, the notes below. */
export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    const { ratio, holds } = judge(row)
    const target = 'least' in row.target ? `≥ ${row.target.least}` : `≤ ${row.target.most}`
    const ours = `${withSpread(spreadOf(row.ours))} ${row.unit}`
    const rival = `${row.rivalName} ${withSpread(spreadOf(row.rival))} ${row.unit}`
    return [row.name, ours, rival, withSpread(ratio), target, holds ? 'yes' : 'NO']
  })
  const widths = HEADINGS.map((heading, column) =>
    Math.max(heading.length, ...lines.map((line) => line[column]?.length ?? 0)),
  )
  const put = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join(' | ')
      .trimEnd()
  const rule = widths.map((width) => '-'.repeat(width)).join('-|-')
  const notes = rows.flatMap(({ name, notes: texts }) => texts.map((text) => `${name}: ${text}`))
  return [put(HEADINGS), rule, ...lines.map(put), ...(notes.length > 0 ? ['', ...notes] : [])].join('\n')
}

/** Median, and from min to max where they differ. */
function withSpread({ median, min, max }: Spread): string {
  return min === max ? figure(median) : `${figure(median)} (${figure(min)}–${figure(max)})`
}

/** Three digits that count, five for what is close to 1. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  const size = Math.abs(value)
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 2 ? 2 : 3
  return value.toFixed(digits)
}
