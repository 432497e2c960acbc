/**
 * From where Debian packages come: the build host's own apt settings, so that no mirror stands in this repository, or
 * DEBIAN_MIRROR (and DEBIAN_SECURITY_MIRROR). The release is fixed: kernel, boot chain and libraries were tried with it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { HomewardError } from '../../firmware/wire/errors.ts'

export const SUITE = 'bookworm'
/** The archive's keys, as Debian installs them. */
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

export interface DebianSource {
  readonly uri: string
  readonly suite: string
}

/** Throws CONFIG_INVALID when the host does not say. */
export function debianSources(environment: NodeJS.ProcessEnv, folder = '/etc/apt'): DebianSource[] {
  const { DEBIAN_MIRROR: mirror, DEBIAN_SECURITY_MIRROR: security } = environment
  if (mirror !== undefined && mirror !== '') {
    return [
      { uri: mirror, suite: SUITE },
      { uri: mirror, suite: `${SUITE}-updates` },
      ...(security === undefined || security === '' ? [] : [{ uri: security, suite: `${SUITE}-security` }]),
    ]
  }
  const suites = [SUITE, `${SUITE}-updates`, `${SUITE}-security`]
  const found = sourceFiles(folder)
    .flatMap((path) => (path.endsWith('.sources') ? readStanzas : readLines)(readFileSync(path, 'utf8')))
    .filter(({ suite }) => suites.includes(suite))
  const unique = new Map(found.map((source) => [`${source.uri} ${source.suite}`, source]))
  if (found.some(({ suite }) => suite === SUITE)) return [...unique.values()]
  throw new HomewardError('CONFIG_INVALID', `the apt settings of this machine name no mirror for Debian ${SUITE}`, {
    hint: 'Give one: make DEBIAN_MIRROR=http://… BOARD=… image (and DEBIAN_SECURITY_MIRROR for security updates).',
  })
}

/** As apt reads them, with components and keys of its own. */
export function aptSources(sources: readonly DebianSource[]): string {
  const stanza = ({ uri, suite }: DebianSource) =>
    [
      'Types: deb deb-src',
      `URIs: ${uri}`,
      `Suites: ${suite}`,
      'Components: main non-free-firmware',
      `Signed-By: ${KEYRING}`,
    ].join('\n')
  return `${sources.map(stanza).join('\n\n')}\n`
}

function sourceFiles(folder: string): string[] {
  const parts = join(folder, 'sources.list.d')
  const named = existsSync(parts) ? readdirSync(parts).sort() : []
  return [
    join(folder, 'sources.list'),
    ...named.filter((name) => /\.(?:list|sources)$/.test(name)).map((name) => join(parts, name)),
  ].filter((path) => existsSync(path))
}

/** `deb [options] URI SUITE COMPONENT…` */
function readLines(text: string): DebianSource[] {
  return text.split('\n').flatMap((line) => {
    const match = /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+.*\bmain\b/.exec(line)
    return match?.[1] === undefined || match[2] === undefined ? [] : [{ uri: match[1], suite: match[2] }]
  })
}

/** Stanzas of `Key: value`, one source for each pair of address and suite. */
function readStanzas(text: string): DebianSource[] {
  const lines = text.split('\n').filter((line) => !line.startsWith('#'))
  return lines
    .join('\n')
    .split(/\n\s*\n/)
    .flatMap((stanza) => {
      const values = (key: string) =>
        (new RegExp(`^${key}:(.*(?:\\n[ \\t].*)*)`, 'im').exec(stanza)?.[1] ?? '').split(/\s+/).filter(Boolean)
      if (!values('Types').includes('deb') || !values('Components').includes('main')) return []
      return values('URIs').flatMap((uri) => values('Suites').map((suite) => ({ uri, suite })))
    })
}
