import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../../firmware/wire/errors.ts'
import { aptSources, debianSources } from './sources.ts'

function withApt(files: Record<string, string>, work: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'homeward-'))
  try {
    mkdirSync(join(folder, 'sources.list.d'))
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
    work(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const STANZAS = `Types: deb
# a comment within
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/x.gpg

Types: deb
URIs: http://mirror.example/security
Suites: bookworm-security
Components:
 main contrib
`

test('the mirror is the one of the build host, in both of the formats of apt', () => {
  withApt({ 'sources.list.d/debian.sources': STANZAS }, (folder) => {
    assert.equal(debianSources({}, folder), [
      { uri: 'http://mirror.example/debian', suite: 'bookworm' },
      { uri: 'http://mirror.example/debian', suite: 'bookworm-updates' },
      { uri: 'http://mirror.example/security', suite: 'bookworm-security' },
    ])
  })
  const lines = [
    'deb [arch=amd64 signed-by=/x.gpg] http://a.example/debian bookworm main contrib',
    '# deb http://off.example/debian bookworm main',
    'deb-src http://a.example/debian bookworm main',
    'deb http://packages.example/tool bookworm stable',
    'deb http://a.example/debian bookworm main',
  ]
  withApt({ 'sources.list': lines.join('\n') }, (folder) => {
    assert.equal(debianSources({}, folder), [{ uri: 'http://a.example/debian', suite: 'bookworm' }])
  })
})

test('DEBIAN_MIRROR goes before the settings', () => {
  withApt({ 'sources.list.d/debian.sources': STANZAS }, (folder) => {
    const given = { DEBIAN_MIRROR: 'http://b.example/debian', DEBIAN_SECURITY_MIRROR: 'http://b.example/security' }
    assert.equal(
      debianSources(given, folder).map(({ uri, suite }) => `${uri} ${suite}`),
      [
        'http://b.example/debian bookworm',
        'http://b.example/debian bookworm-updates',
        'http://b.example/security bookworm-security',
      ],
    )
  })
})

test('a host of another release is told what to give', () => {
  withApt({ 'sources.list': 'deb http://a.example/ubuntu noble main' }, (folder) => {
    assert.throws(
      () => debianSources({}, folder),
      (error: unknown) => isHomewardError(error, 'CONFIG_INVALID') && /DEBIAN_MIRROR=/.test(error.hint ?? ''),
    )
  })
})

test('what apt reads has sources too, for what is cross-built', () => {
  assert.match(
    aptSources([{ uri: 'http://a.example/debian', suite: 'bookworm' }]),
    /^Types: deb deb-src\nURIs: http:\/\/a\.example/,
  )
})

test.run()
