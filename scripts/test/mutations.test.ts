// time-out: 1800 s
/**
 * Each rule of mutations.ts is broken in a copy of the tree, and its test must notice; unbroken it must pass. A sample by
 * default, all with `HOMEWARD_MUTATIONS=all`, those that contain a text with `HOMEWARD_MUTATIONS=TEXT`.
 */
import { spawn } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MUTATIONS, type Mutation } from './mutations.ts'
import { parseSummary } from './summary.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const AT_ONCE = 2
/** Enough for each of them to be noticed; kept low, for the unbroken run goes through all. */
const CUTS = '240'
const RUN_LIMIT_MS = 300_000

const which = process.env.HOMEWARD_MUTATIONS
const wanted = MUTATIONS.filter(({ breaks, file, sample }) => {
  if (which === undefined) return sample
  return which === 'all' || breaks.includes(which) || file.includes(which)
})

/** A tree of its own with the sources in it, removed afterwards. */
async function withTree<T>(work: (tree: string) => Promise<T>): Promise<T> {
  const tree = await mkdtemp(join(tmpdir(), 'homeward-'))
  try {
    for (const name of ['firmware', 'scripts', 'package.json', 'tsconfig.json', 'tsconfig.build.json']) {
      await cp(join(ROOT, name), join(tree, name), { recursive: true })
    }
    await symlink(join(ROOT, 'node_modules'), join(tree, 'node_modules'))
    return await work(tree)
  } finally {
    await rm(tree, { recursive: true, force: true })
  }
}

/** `hung`: it did not end by itself, which is no failure that anybody meant. */
async function run(tree: string, file: string): Promise<'passed' | 'failed' | 'hung'> {
  const { HOMEWARD_CUT: _, ...env } = process.env
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--import', 'tsx', file], {
      cwd: tree,
      env: { ...env, HOMEWARD_CUTS: CUTS, NO_COLOR: '1', FORCE_COLOR: '0' },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    let output = ''
    let hung = false
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
    const timer = setTimeout(() => {
      hung = true
      child.kill('SIGKILL')
    }, RUN_LIMIT_MS)
    child.on('close', (status) => {
      clearTimeout(timer)
      const { total } = parseSummary(output)
      resolve(hung ? 'hung' : status === 0 && total > 0 ? 'passed' : 'failed')
    })
  })
}

async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
    }),
  )
}

async function texts({ file, find, replace }: Mutation): Promise<{ found: number; broken: string }> {
  const source = await readFile(join(ROOT, file), 'utf8')
  return { found: source.split(find).length - 1, broken: source.replace(find, () => replace) }
}

test('every text of the list is in its file, once', async () => {
  const lost: string[] = []
  for (const mutation of MUTATIONS) {
    const { found } = await texts(mutation)
    if (found !== 1) lost.push(`${mutation.file} has ${found} times: ${mutation.find.trim()} (${mutation.breaks})`)
  }
  assert.equal(lost, [], 'the source has changed: write the text anew in scripts/test/mutations.ts')
})

test('the tests of the list pass as long as nothing is broken', async () => {
  const files = [...new Set(wanted.map(({ test: file }) => file))]
  assert.ok(files.length > 0, `no rule matches HOMEWARD_MUTATIONS=${which}`)
  const bad: string[] = []
  await withTree((tree) =>
    each(files, async (file) => {
      const result = await run(tree, file)
      if (result !== 'passed') bad.push(`${file} ${result}`)
    }),
  )
  assert.equal(bad, [])
})

test(`each of ${wanted.length} broken rules is noticed`, async () => {
  const survived: string[] = []
  await each(wanted, async (mutation) => {
    const { broken } = await texts(mutation)
    const started = performance.now()
    const result = await withTree(async (tree) => {
      await writeFile(join(tree, mutation.file), broken)
      return run(tree, mutation.test)
    })
    const took = ((performance.now() - started) / 1000).toFixed(1)
    process.stdout.write(`${result === 'failed' ? 'noticed ' : result} ${mutation.breaks} (${took} s)\n`)
    if (result !== 'failed') survived.push(`${mutation.test} ${result} though broken: ${mutation.breaks}`)
  })
  assert.equal(survived, [])
})

test.run()
