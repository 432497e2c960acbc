/**
 * A month of 64 cameras behind the built storage program, and one camera that films: how soon it answers, and how soon its page
 * shows something. PAGE_CAMERAS, PAGE_DAYS: fewer. PAGE_MONTH: a root that `index-child.ts make` left, copied instead of made.
 */
import { spawnSync } from 'node:child_process'
import { cp, mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TestHome } from '../../firmware/cli/test-home.ts'
import { HomewardError } from '../../firmware/wire/errors.ts'
import type { MonthFigures } from './index-child.ts'
import { Owner } from './owner.ts'
import { pageAnswers } from './page-answers.ts'
import { pagePaint } from './page-paint.ts'
import { figure, type Row } from './row.ts'

const INDEX_CHILD = fileURLToPath(new URL('index-child.ts', import.meta.url))
const CAMERAS = Number(process.env.PAGE_CAMERAS ?? 64)
const DAYS = Number(process.env.PAGE_DAYS ?? 30)
const MADE = process.env.PAGE_MONTH
const DAY_MS = 86_400_000

/** What the rows are measured on. */
export interface Month {
  readonly home: TestHome
  readonly owner: Owner
  readonly cameras: number
  /** Start of a day in the middle, of which every camera has all footage. */
  readonly dayMs: number
}

export async function pageMonth(): Promise<Row[]> {
  const home = await TestHome.create()
  try {
    const how = MADE === undefined ? await make(home.disk) : await copy(MADE, home.disk)
    const indexBytes = (await stat(join(home.disk, '.homeward/index/data.mdb'))).size
    await home.startServer()
    const began = performance.now()
    const storage = await home.startStorage(['--log-level', 'warn', '--http-tls', 'off', '--scrub-rate', '0'])
    const startMs = performance.now() - began
    const owner = await Owner.of(storage)
    const dayMs = Math.floor(Date.now() / DAY_MS) * DAY_MS - Math.ceil(DAYS / 2) * DAY_MS
    const month: Month = { home, owner, cameras: CAMERAS, dayMs }
    const about = `${CAMERAS} cameras, ${DAYS} days, fragments of 2 s; index ${figure(indexBytes / 1e9)} GB, ${how}; the program answered ${Math.round(startMs)} ms after it was started`
    const [first, ...rest] = [...(await pageAnswers(month)), ...(await pagePaint(month))]
    return first === undefined ? rest : [{ ...first, notes: [about, ...(first.notes ?? [])] }, ...rest]
  } finally {
    await home.close()
  }
}

async function make(root: string): Promise<string> {
  await mkdir(root)
  const env = { ...process.env, INDEX_CAMERAS: String(CAMERAS), INDEX_DAYS: String(DAYS) }
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', INDEX_CHILD, 'make', root], {
    ...{ encoding: 'utf8', env },
  })
  if (status !== 0) throw new HomewardError('INTERNAL', `the index was not made (${status}): ${stderr}`)
  const { fragments, tookMs } = JSON.parse(stdout) as MonthFigures
  return `${fragments} fragments made in ${Math.round(tookMs / 1000)} s`
}

async function copy(from: string, root: string): Promise<string> {
  await cp(from, root, { recursive: true })
  return `${CAMERAS * DAYS * 43_200} fragments, made before`
}
