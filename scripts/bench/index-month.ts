/** A month of 16 cameras in the index: how soon the archive starts, and how soon a day's timeline is there. */
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MonthFigures } from './index-child.ts'
import type { Row } from './row.ts'

const CHILD = fileURLToPath(new URL('index-child.ts', import.meta.url))
const START_MS = 3000
const TIMELINE_MS = 50
const OUTLOOK_MS = 1000
const ROUNDS = 3

export async function indexMonth(): Promise<Row[]> {
  const root = await mkdtemp(join(tmpdir(), 'homeward-index-'))
  try {
    const made = child(['make', root])
    const figures = Array.from({ length: ROUNDS }, () => child(['ask', root]))
    const bytes = (await stat(join(root, '.homeward/index/data.mdb'))).size
    const about = `${made.cameras} cameras, ${made.days} days, ${made.fragments} fragments of 2 s in ${made.files} files; index ${(bytes / 1e9).toFixed(1)} GB, made in ${Math.round(made.tookMs / 1000)} s`
    const row = (name: string, most: number, ours: readonly number[], notes: readonly string[]): Row => ({
      ...{ name, unit: 'ms', ours, rival: [most], rivalName: 'limit', target: { most: 1 }, by: 'worst', notes },
    })
    return [
      row(
        'a month of 16 cameras: start of the archive',
        START_MS,
        figures.map(({ startMs }) => startMs),
        [
          `${about}; a fresh process each time, ${figures[0]?.coldCache ? 'nothing of the index in memory' : 'the page cache as it is'}`,
          `resident memory after the start and all questions ${Math.round(Math.max(...figures.map(({ rssMiB }) => rssMiB)))} MiB`,
        ],
      ),
      row(
        'the same: timeline of a day',
        TIMELINE_MS,
        figures.flatMap(({ timelineMs }) => timelineMs),
        ['of each camera, a day in the middle of the month, the first time it is asked for'],
      ),
      row(
        'the same: forecast of all cameras',
        OUTLOOK_MS,
        figures.map(({ outlookMs }) => outlookMs),
        [],
      ),
    ]
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

function child(args: readonly string[]): MonthFigures {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', CHILD, ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 20,
  })
  if (status !== 0) throw new Error(`index bench ended with ${status}: ${stderr}`)
  return JSON.parse(stdout) as MonthFigures
}
