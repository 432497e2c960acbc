/** What Debian's packages have too much or too little of, built from Debian's sources: BusyBox and ffmpeg. Once for each version. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Debian } from './debian.ts'
import { unpack } from './debian.ts'
import { CACHE, SOURCE } from './places.ts'
import { runTool } from './tool.ts'

export interface CrossBuilt {
  readonly folder: string
  readonly version: string
}

/** `busybox` and its licence. */
export function builtBusybox(debian: Debian): CrossBuilt {
  const { folder, version } = debian.source('busybox')
  return build('busybox', version, [folder], [])
}

/** `ffmpeg` and its licences; with x264 only where no encoder exists, for that makes it GPL. */
export function builtFfmpeg(debian: Debian, withX264: boolean): CrossBuilt {
  const { folder, version } = debian.source('ffmpeg')
  if (!withX264) return build('ffmpeg', version, [folder], [])
  const [library] = debian.exactly(['libx264-dev'])
  const there = join(folder, 'x264')
  if (library !== undefined && !existsSync(there)) unpack([library], there)
  return build('ffmpeg', `${version}+x264_${library?.version}`, [folder], ['x264'])
}

function build(name: string, version: string, sources: readonly string[], options: readonly string[]): CrossBuilt {
  const script = join(SOURCE, 'scripts/image', `build-${name}`)
  const recipe = createHash('sha256').update(readFileSync(script)).digest('hex').slice(0, 12)
  const folder = join(CACHE, 'built', `${name}_${version.replaceAll(':', '.')}_${recipe}`)
  if (!existsSync(folder)) {
    const partial = `${folder}.partial`
    rmSync(partial, { recursive: true, force: true })
    mkdirSync(partial, { recursive: true })
    process.stdout.write(`cross-building ${name} ${version}, once\n`)
    runTool(script, [...sources, partial, ...options])
    runTool('mv', [partial, folder])
  }
  return { folder, version }
}
