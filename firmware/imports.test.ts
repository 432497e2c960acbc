/** The import rule: a folder may import itself and the folders to its right, never to its left (docs/architecture.md). */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const HERE = dirname(fileURLToPath(import.meta.url))

const MAY_IMPORT: Record<string, readonly string[]> = {
  cli: ['camera', 'storage', 'p2p', 'link', 'platform', 'media', 'wire'],
  camera: ['link', 'platform', 'media', 'wire'],
  storage: ['link', 'platform', 'media', 'wire'],
  p2p: ['link', 'platform', 'media', 'wire'],
  link: ['platform', 'media', 'wire'],
  platform: ['media', 'wire'],
  media: ['wire'],
  wire: [],
}

/** Folders without I/O: nothing of Node that reads, writes or waits. */
const PURE = ['wire', 'media']
const PURE_MAY_USE = ['node:crypto', 'node:buffer', 'node:zlib']

/** What tests alone use is what tsconfig.build.json leaves out: everything of a kind by the end of its name, or a path. */
const { exclude } = JSON.parse(readFileSync(join(HERE, '..', 'tsconfig.build.json'), 'utf8')) as { exclude: string[] }

function isTestOnly(path: string): boolean {
  return exclude.some((entry) => {
    const suffix = entry.split('**/*')[1]
    return suffix === undefined ? entry === `firmware/${path}` : path.endsWith(suffix)
  })
}

interface Import {
  readonly file: string
  readonly from: string
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8')
  const found = text.matchAll(
    /(?:^|\n)(?:import|export)\s[^'"]*?from\s+'([^']+)'|import\(\s*'([^']+)'\s*\)|(?:^|\n)import\s+'([^']+)'/g,
  )
  return [...found].map((match) => ({ file, from: match[1] ?? match[2] ?? match[3] ?? '' }))
}

function sources(): string[] {
  return readdirSync(HERE, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && path.includes('/') && !isTestOnly(path))
    .map((path) => join(HERE, path))
}

const roomOf = (file: string) => relative(HERE, file).split('/')[0] ?? ''

test('imports go one way', () => {
  const wrong = sources()
    .flatMap(importsOf)
    .filter(({ file, from }) => {
      if (!from.startsWith('.')) return false
      const target = roomOf(resolve(dirname(file), from))
      const room = roomOf(file)
      return target !== room && !(MAY_IMPORT[room] ?? []).includes(target)
    })
    .map(({ file, from }) => `${relative(HERE, file)} imports ${from}`)
  assert.equal(wrong, [])
})

test('wire and media do no I/O', () => {
  const wrong = sources()
    .filter((file) => PURE.includes(roomOf(file)))
    .flatMap(importsOf)
    .filter(({ from }) => from.startsWith('node:') && !PURE_MAY_USE.includes(from))
    .map(({ file, from }) => `${relative(HERE, file)} imports ${from}`)
  assert.equal(wrong, [])
})

test('what is shipped uses nothing that only tests use', () => {
  const wrong = sources()
    .flatMap(importsOf)
    .filter(
      ({ file, from }) =>
        from === 'uvu' || (from.startsWith('.') && isTestOnly(relative(HERE, resolve(dirname(file), from)))),
    )
    .map(({ file, from }) => `${relative(HERE, file)} imports ${from}`)
  assert.equal(wrong, [])
})

test('every room is known, and the check sees imports', () => {
  const rooms = new Set(sources().map(roomOf))
  for (const room of rooms)
    assert.ok(Object.hasOwn(MAY_IMPORT, room), `firmware/${room} has no place in the import rule`)
  assert.ok(sources().flatMap(importsOf).length > 20)
})

test.run()
