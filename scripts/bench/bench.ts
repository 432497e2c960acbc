import type { Row } from './row.ts'

/** A bench cannot run on this machine, and why. */
export interface Skipped {
  readonly skipped: string
}

export type Bench = () => Promise<readonly Row[] | Skipped>
