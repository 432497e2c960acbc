/** Takes programs out of unpacked packages, with the shared libraries they need and nothing else. */
import {
  closeSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  realpathSync,
} from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { HomewardError } from '../../firmware/wire/errors.ts'
import { runTool } from './tool.ts'

const LIBRARY_FOLDERS = ['usr/lib/aarch64-linux-gnu', 'usr/lib']

/** Copies what `patterns` name (paths with * in the last part) from `stage` to `root`. Throws INTERNAL when one names nothing. */
export function pick(stage: string, root: string, patterns: readonly string[]): void {
  for (const pattern of patterns) {
    const found = match(stage, pattern)
    if (found.length === 0) throw new HomewardError('INTERNAL', `no package holds ${pattern}`)
    for (const path of found) copy(stage, root, path)
  }
}

/** Adds the shared libraries that programs and libraries in `root` ask for. Throws INTERNAL for one that no package holds. */
export function addLibraries(stage: string, root: string): void {
  const done = new Set<string>()
  const waiting = elfFiles(root)
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    const heads = runTool('readelf', ['-ld', file])
    const needed = [...heads.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, name = '']) => name)
    const loader = /program interpreter: \/lib\/(\S+)\]/.exec(heads)?.[1]
    for (const name of loader === undefined ? needed : [...needed, loader]) {
      if (done.has(name)) continue
      done.add(name)
      // The kernel looks for the loader at the path that stands in the program.
      const folders = name === loader ? ['usr/lib'] : LIBRARY_FOLDERS
      const folder = folders.find((candidate) => existsSync(join(stage, candidate, name)))
      if (folder === undefined) {
        throw new HomewardError('INTERNAL', `${relative(root, file)} needs ${name}, which no package holds`)
      }
      copy(stage, root, join(folder, name))
      waiting.push(realpathSync(join(root, folder, name)))
    }
  }
}

function match(stage: string, pattern: string): string[] {
  const folder = dirname(pattern)
  const real = existsSync(join(stage, folder))
    ? relative(realpathSync(stage), realpathSync(join(stage, folder)))
    : folder
  const name = new RegExp(`^${basename(pattern).replace(/[.+]/g, '\\$&').replaceAll('*', '.*')}$`)
  if (!existsSync(join(stage, real))) return []
  return readdirSync(join(stage, real))
    .filter((entry) => name.test(entry))
    .sort()
    .map((entry) => join(real, entry))
}

/** A file, and what it points to when it is a link. */
function copy(stage: string, root: string, path: string): void {
  mkdirSync(join(root, dirname(path)), { recursive: true })
  cpSync(join(stage, path), join(root, path), { recursive: true, verbatimSymlinks: true })
  const from = join(stage, path)
  if (!lstatSync(from).isSymbolicLink()) return
  const target = readlinkSync(from)
  const next = target.startsWith('/') ? target.slice(1) : join(dirname(path), target)
  if (existsSync(join(stage, next)) && !existsSync(join(root, next))) copy(stage, root, next)
}

function elfFiles(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !path.endsWith('.ko') && isElf(path))
}

function isElf(path: string): boolean {
  const head = new Uint8Array(4)
  const file = openSync(path, 'r')
  try {
    return readSync(file, head, 0, 4, 0) === 4 && head[0] === 0x7f && head[1] === 0x45
  } finally {
    closeSync(file)
  }
}
