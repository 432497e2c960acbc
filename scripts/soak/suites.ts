/** What `make soak` runs: test files and scripts that have a long version, and what makes them long. */

export interface Suite {
  readonly name: string
  /** One line. */
  readonly what: string
  /** A uvu file, or a script whose exit status counts as one test; below the project's folder. */
  readonly file: string
  readonly args?: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** On a slow machine, too. */
  readonly withinS: number
}

export const SUITES: readonly Suite[] = [
  {
    name: 'fuzz',
    what: '10 million inputs through every decoder that meets what others send',
    file: 'firmware/p2p/fuzz.test.ts',
    env: { HOMEWARD_FUZZ: '10000000' },
    withinS: 3600,
  },
  {
    name: 'flood',
    what: '20,000 datagrams of garbage a second for 10 s while a camera streams',
    file: 'firmware/cli/flood.test.ts',
    env: { HOMEWARD_FLOOD_S: '10' },
    withinS: 300,
  },
]
