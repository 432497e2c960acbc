/** arm64 packages and sources of Debian, through an apt of our own: the host's package lists and architectures stay as they are. */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { HomewardError } from '../../firmware/wire/errors.ts'
import { CACHE } from './places.ts'
import { aptSources, debianSources } from './sources.ts'
import { runTool } from './tool.ts'

export interface DebianPackage {
  readonly name: string
  readonly version: string
  readonly file: string
}

/** Only needed to install packages, which nobody does on a device. */
const NOT_UNPACKED = [
  'dpkg',
  'tar',
  'perl-base',
  'debconf',
  'init-system-helpers',
  'adduser',
  'passwd',
  'sensible-utils',
]

export class Debian {
  readonly #folder = join(CACHE, 'apt')
  readonly #packages = join(CACHE, 'packages')
  readonly #environment: NodeJS.ProcessEnv

  /** Throws CONFIG_INVALID without a mirror. The lists are fetched once: all images of one cache have the same versions. */
  constructor() {
    const lists = join(this.#folder, 'lists')
    this.#environment = { APT_CONFIG: join(this.#folder, 'apt.conf') }
    for (const part of ['lists/partial', 'cache/archives/partial', 'sources.d', 'none']) {
      mkdirSync(join(this.#folder, part), { recursive: true })
    }
    mkdirSync(this.#packages, { recursive: true })
    writeFileSync(join(this.#folder, 'status'), '')
    writeFileSync(join(this.#folder, 'apt.conf'), this.#settings())
    writeFileSync(join(this.#folder, 'sources.d', 'debian.sources'), aptSources(debianSources(process.env)))
    if (!readdirSync(lists).some((name) => name.includes('Packages'))) this.#apt('apt-get', ['update', '-q'])
  }

  /** The packages with all they depend on. */
  withDependencies(names: readonly string[]): DebianPackage[] {
    const plan = this.#apt('apt-get', ['install', '--simulate', '--no-install-recommends', ...names])
    const chosen = [...plan.matchAll(/^Inst (\S+) \((\S+)/gm)].map(([, name = '', version = '']) => ({ name, version }))
    return this.#fetch(chosen.filter(({ name }) => !NOT_UNPACKED.includes(name)))
  }

  /** The packages alone. */
  exactly(names: readonly string[]): DebianPackage[] {
    return this.#fetch(
      names.map((name) => {
        const version = /^ {2}Candidate: (\S+)$/m.exec(this.#apt('apt-cache', ['policy', name]))?.[1]
        if (version === undefined || version === '(none)')
          throw new HomewardError('CONFIG_INVALID', `Debian has no package ${name} for arm64`)
        return { name, version }
      }),
    )
  }

  /** The kernel's package for the machine: `linux-image-arm64` only points to it. */
  kernel(): DebianPackage {
    const name = /Depends: (linux-image-\S+)/.exec(this.#apt('apt-cache', ['depends', 'linux-image-arm64']))?.[1]
    const [found] = name === undefined ? [] : this.exactly([name])
    if (found === undefined) throw new HomewardError('CONFIG_INVALID', 'Debian has no kernel for arm64')
    return found
  }

  /** Fetches a source package into a folder of its own. */
  source(name: string): { readonly folder: string; readonly version: string } {
    const version = /^Version: (\S+)$/m.exec(this.#apt('apt-cache', ['showsrc', '--only-source', name]))?.[1]
    if (version === undefined) throw new HomewardError('CONFIG_INVALID', `Debian has no source package ${name}`)
    const folder = join(CACHE, 'sources', `${name}_${version.replaceAll(':', '.')}`)
    if (!existsSync(folder)) {
      const partial = `${folder}.partial`
      rmSync(partial, { recursive: true, force: true })
      mkdirSync(partial, { recursive: true })
      this.#apt('apt-get', ['source', '--download-only', '-q', `${name}=${version}`], partial)
      runTool('mv', [partial, folder])
    }
    return { folder, version }
  }

  #fetch(packages: readonly { name: string; version: string }[]): DebianPackage[] {
    const fileOf = ({ name, version }: { name: string; version: string }) => {
      const start = `${name}_${version.replace(':', '%3a')}_`
      return readdirSync(this.#packages).find((file) => file.startsWith(start) && file.endsWith('.deb'))
    }
    const missing = packages.filter((wanted) => fileOf(wanted) === undefined)
    if (missing.length > 0) {
      const names = missing.map(({ name, version }) => `${name}=${version}`)
      this.#apt('apt-get', ['download', '-q', ...names], this.#packages)
    }
    return packages.map((wanted) => {
      const file = fileOf(wanted)
      if (file === undefined) throw new HomewardError('INTERNAL', `apt fetched no file for ${wanted.name}`)
      return { ...wanted, file: join(this.#packages, file) }
    })
  }

  #apt(program: string, args: readonly string[], cwd?: string): string {
    return runTool(program, args, { environment: this.#environment, ...(cwd === undefined ? {} : { cwd }) })
  }

  #settings(): string {
    const at = (name: string) => JSON.stringify(join(this.#folder, name))
    return [
      `Dir::State::lists ${at('lists')};`,
      `Dir::State::status ${at('status')};`,
      `Dir::Cache ${at('cache')};`,
      `Dir::Etc::sourcelist ${at('none')};`,
      `Dir::Etc::sourceparts ${at('sources.d')};`,
      `Dir::Etc::preferencesparts ${at('none')};`,
      'APT::Architecture "arm64";',
      'APT::Architectures { "arm64"; };',
      'APT::Install-Recommends "false";',
      // Root fetches into a folder that apt's own user may not write to.
      'APT::Sandbox::User "root";',
      '',
    ].join('\n')
  }
}

/** Unpacks packages over each other into a folder with Debian's merged /usr. */
export function unpack(packages: readonly DebianPackage[], folder: string): void {
  mkdirSync(folder, { recursive: true })
  for (const part of ['bin', 'sbin', 'lib']) {
    mkdirSync(join(folder, 'usr', part), { recursive: true })
    if (!existsSync(join(folder, part))) runTool('ln', ['-s', `usr/${part}`, join(folder, part)])
  }
  for (const { file } of packages) {
    runTool('sh', ['-c', 'dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink -C "$2"', 'sh', file, folder])
  }
}
