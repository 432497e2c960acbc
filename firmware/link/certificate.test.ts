import { X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { codeOf } from '../wire/error-code-fixture.ts'
import { loadCertificate, makeCertificate } from './certificate.ts'

async function inFolder(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'homeward-'))
  try {
    await work(dir)
  } finally {
    await rm(dir, { recursive: true })
  }
}

test('a certificate that signs itself, that OpenSSL reads, and that does not expire', () => {
  for (let run = 0; run < 20; run++) {
    const { cert, key } = makeCertificate()
    const parsed = new X509Certificate(cert)
    assert.is(parsed.subject, 'CN=homeward')
    assert.ok(parsed.checkIssued(parsed))
    assert.ok(parsed.verify(parsed.publicKey))
    assert.is(new Date(parsed.validTo).getUTCFullYear(), 9999)
    assert.match(key, /BEGIN PRIVATE KEY/)
  }
})

test('made once, for nobody else to read, and the same ever after', () =>
  inFolder(async (dir) => {
    const first = await loadCertificate(dir)
    assert.equal(await loadCertificate(dir), first)
    assert.is((await stat(join(dir, 'tls.pem'))).mode & 0o777, 0o600)
    await writeFile(join(dir, 'tls.pem'), (await readFile(join(dir, 'tls.pem'), 'utf8')).slice(0, 300))
    assert.is(await codeOf(loadCertificate(dir)), 'STATE_DAMAGED')
  }))

test('given files are checked: there, PEM, and of one pair', () =>
  inFolder(async (dir) => {
    const [one, two] = [makeCertificate(), makeCertificate()]
    const path = (name: string) => join(dir, name)
    await writeFile(path('cert'), one.cert)
    await writeFile(path('key'), one.key)
    await writeFile(path('other'), two.key)
    assert.equal(await loadCertificate(dir, { cert: path('cert'), key: path('key') }), one)
    assert.is(await codeOf(loadCertificate(dir, { cert: path('cert'), key: path('other') })), 'CONFIG_INVALID')
    assert.is(await codeOf(loadCertificate(dir, { cert: path('key'), key: path('key') })), 'CONFIG_INVALID')
    assert.is(await codeOf(loadCertificate(dir, { cert: path('none'), key: path('key') })), 'CONFIG_INVALID')
  }))

test.run()
