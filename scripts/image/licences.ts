/** The licences of what is shipped: one folder for each part, in the image and beside it. */
import { cpSync, existsSync, mkdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { CrossBuilt } from './cross-built.ts'
import type { DebianPackage } from './debian.ts'
import { SOURCE } from './places.ts'
import { licenceOf } from './runtime.ts'

export interface ShippedParts {
  readonly debian: readonly DebianPackage[]
  /** Where the packages were unpacked. */
  readonly stage: string
  readonly node: string
  readonly npm: readonly string[]
  readonly built: Readonly<Record<string, CrossBuilt>>
}

/** Returns the npm packages that bring no licence file: package.json names theirs. */
export function collectLicences(parts: ShippedParts, folder: string): string[] {
  const put = (name: string, file: string) => {
    const to = join(folder, name.replace('/', '__'))
    mkdirSync(to, { recursive: true })
    cpSync(file, join(to, basename(file)))
  }
  put('homeward', join(SOURCE, 'LICENSE'))
  put('node', parts.node)
  for (const { name } of parts.debian) {
    const file = join(parts.stage, 'usr/share/doc', name, 'copyright')
    if (existsSync(file)) put(`debian__${name}`, file)
  }
  for (const [name, { folder: from }] of Object.entries(parts.built)) {
    mkdirSync(join(folder, name), { recursive: true })
    cpSync(from, join(folder, name), { recursive: true, filter: (path) => basename(path) !== name || path === from })
  }
  return parts.npm.filter((name) => {
    const file = licenceOf(name)
    if (file !== undefined) put(`npm__${name}`, file)
    return file === undefined
  })
}
