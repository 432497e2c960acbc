import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type ErrorCode, HomewardError } from '../wire/errors.ts'
import { createIdentity, IDENTITY_FILE, identitySeed, loadIdentity } from './identity.ts'
import { backupUid, exportKey, importKey, openKeyBackup } from './key-backup.ts'
import { PASSWORD_COST_MIN } from './sodium.ts'

const test = suite<{ dir: string }>('key backup', { dir: '' })
test.before.each(async (context) => {
  context.dir = await mkdtemp(join(tmpdir(), 'homeward-'))
})
test.after.each(({ dir }) => rm(dir, { recursive: true }))

const identity = createIdentity()
const passphrase = 'correct horse ü'
const make = (of = identity) => exportKey(of, passphrase, PASSWORD_COST_MIN)

async function failure(work: Promise<unknown>): Promise<{ code: ErrorCode; message: string }> {
  try {
    await work
  } catch (error) {
    assert.instance(error, HomewardError, String(error))
    assert.ok((error as HomewardError).hint)
    return error as HomewardError
  }
  assert.unreachable('it was accepted')
  throw new Error('unreachable')
}

test('out and in again', async () => {
  const text = await make()
  assert.match(
    text,
    /^-----BEGIN HOMEWARD STORAGE KEY-----\nUID: [A-Z2-7-]{63}\n\n([A-Za-z0-9+/=]{1,64}\n)+-----END HOMEWARD STORAGE KEY-----\n$/,
  )
  assert.is(text.split('\n').length <= 8, true)
  assert.is(backupUid(text), identity.uid)
  assert.equal(await openKeyBackup(text, passphrase), identity)
})

test('at the cost that people get', async () => {
  assert.is((await openKeyBackup(await exportKey(identity, passphrase), passphrase)).uid, identity.uid)
})

test('the key is not in it, and no two are alike', async () => {
  const [one, two] = [await make(), await make()]
  assert.is.not(one, two)
  const body = Buffer.from(one.split('\n').slice(3, -2).join(''), 'base64')
  assert.is(body.indexOf(identitySeed(identity)), -1)
})

test('a wrong passphrase is called that', async () => {
  const text = await make()
  for (const wrong of ['correct horse', 'Correct horse ü', `${passphrase} `, '']) {
    const { code, message } = await failure(openKeyBackup(text, wrong))
    assert.is(code, 'KEY_BACKUP_INVALID')
    assert.match(message, /wrong passphrase/)
  }
  assert.is((await openKeyBackup(text, passphrase.normalize('NFD'))).uid, identity.uid)
})

test('damage is called that, whatever the passphrase', async () => {
  const text = await make()
  const lines = text.split('\n')
  const end = text.indexOf('-----END')
  for (let at = text.indexOf('\n\n') + 2; at < end; at++) {
    const character = text.charAt(at)
    if (!/[A-Za-z0-9+/]/.test(character)) continue
    const bent = text.slice(0, at) + (character === 'A' ? 'B' : 'A') + text.slice(at + 1)
    const { code, message } = await failure(openKeyBackup(bent, passphrase))
    assert.is(code, 'KEY_BACKUP_INVALID')
    assert.match(message, /damaged/, `character ${at}`)
  }
  const others = [
    '',
    lines.slice(1).join('\n'),
    lines.slice(0, -2).join('\n'),
    lines.toSpliced(1, 1).join('\n'),
    lines.toSpliced(4, 1).join('\n'),
    text.replace(identity.uid, createIdentity().uid),
    text.replace(identity.uid, 'AAAAAAA'),
  ]
  for (const one of others) assert.match((await failure(openKeyBackup(one, passphrase))).message, /damaged/)
  assert.throws(() => backupUid(others[1] ?? ''))
})

test('mail programs and editors do no harm', async () => {
  const text = await make()
  const mangled = `Hello,\r\n\r\n${text.replaceAll('\n', '\r\n').replaceAll(/^/gm, '  ')}\r\nGreetings`
  assert.is((await openKeyBackup(mangled, passphrase)).uid, identity.uid)
})

test('a short passphrase protects nothing', async () => {
  assert.is((await failure(exportKey(identity, 'short'))).code, 'USAGE')
})

test('import into a new device', async ({ dir }) => {
  assert.equal(await importKey(dir, await make(), passphrase), identity)
  assert.equal(await loadIdentity(dir), identity)
  assert.equal(await importKey(dir, await make(), passphrase), identity)
  assert.equal(await readdir(dir), [IDENTITY_FILE])
})

test('another identity is not overwritten unless told, and kept even then', async ({ dir }) => {
  const present = await loadIdentity(dir)
  const text = await make()
  const { code, message } = await failure(importKey(dir, text, passphrase))
  assert.is(code, 'KEY_BACKUP_INVALID')
  assert.match(message, new RegExp(`already ${present.uid}, the backup is ${identity.uid}`))
  assert.is((await loadIdentity(dir)).uid, present.uid)
  await importKey(dir, text, passphrase, { replace: true })
  assert.is((await loadIdentity(dir)).uid, identity.uid)
  assert.is((await readdir(dir)).length, 2)
})

test('a damaged identity is replaced only when told', async ({ dir }) => {
  const path = join(dir, IDENTITY_FILE)
  await writeFile(path, 'rubbish')
  assert.is((await failure(importKey(dir, await make(), passphrase))).code, 'STATE_DAMAGED')
  assert.is(await readFile(path, 'utf8'), 'rubbish')
  await importKey(dir, await make(), passphrase, { replace: true })
  assert.is((await loadIdentity(dir)).uid, identity.uid)
})

test('a wrong passphrase changes nothing on the disk', async ({ dir }) => {
  await failure(importKey(dir, await make(), 'something else', { replace: true }))
  assert.equal(await readdir(dir), [])
})

test.run()
