/** `storage key export|import`: passphrases from a file or typed without echo, backups from files or standard output. */
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { loadIdentity } from '../link/identity.ts'
import { exportKey, importKey, PASSPHRASE_MIN_CHARACTERS } from '../link/key-backup.ts'
import { RealClock } from '../platform/clock-real.ts'
import { writeBackupMark } from '../storage/backup-mark.ts'
import { PASSWORD_MIN_CHARACTERS } from '../storage/web/constants.ts'
import { HomewardError, systemCode } from '../wire/errors.ts'
import { lockState, makeStateFolder } from './state-folder.ts'

interface KeyFlags {
  readonly state: string
  readonly passphraseFile?: string
}

/** Of this device; a key is made when there is none yet. */
export async function ownUid(state: string): Promise<string> {
  await makeStateFolder(state)
  return (await loadIdentity(state)).uid
}

/** The armoured backup. */
export async function exportBackup(flags: KeyFlags): Promise<string> {
  await makeStateFolder(flags.state)
  const identity = await loadIdentity(flags.state)
  const passphrase = await readPassphrase(flags.passphraseFile)
  if (flags.passphraseFile === undefined && (await typed('The same again: ')) !== passphrase) {
    throw new HomewardError('USAGE', 'the two passphrases differ')
  }
  const backup = (await exportKey(identity, passphrase)).trimEnd()
  await writeBackupMark(flags.state, identity.uid, new RealClock().wallUs())
  return backup
}

/** The UID that is back. Throws AGENT_RUNNING while an agent uses the state folder. */
export async function importBackup(file: string, flags: KeyFlags & { readonly replace?: boolean }): Promise<string> {
  await makeStateFolder(flags.state)
  const unlock = await lockState(flags.state)
  try {
    const text = await readText(file)
    const passphrase = await readPassphrase(flags.passphraseFile)
    return (await importKey(flags.state, text, passphrase, { replace: flags.replace === true })).uid
  } finally {
    await unlock()
  }
}

/** A password for the page: from a file, or typed twice. */
export async function readNewPassword(file: string | undefined): Promise<string> {
  if (file !== undefined) return (await readText(file)).split('\n')[0] ?? ''
  if (!process.stdin.isTTY) {
    throw new HomewardError('USAGE', 'a password is needed, and there is no terminal to ask for it', {
      hint: 'Give it with --password-file FILE.',
    })
  }
  const password = await typed(`New password, at least ${PASSWORD_MIN_CHARACTERS} characters: `)
  if ((await typed('The same again: ')) !== password) throw new HomewardError('USAGE', 'the two passwords differ')
  return password
}

async function readPassphrase(file: string | undefined): Promise<string> {
  if (file !== undefined) return (await readText(file)).split('\n')[0] ?? ''
  if (!process.stdin.isTTY) {
    throw new HomewardError('USAGE', 'a passphrase is needed, and there is no terminal to ask for it', {
      hint: 'Give it with --passphrase-file FILE.',
    })
  }
  return typed(`Passphrase, at least ${PASSPHRASE_MIN_CHARACTERS} characters: `)
}

/** One line from the terminal, without echo. */
async function typed(prompt: string): Promise<string> {
  process.stderr.write(prompt)
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true })
  try {
    for await (const line of lines) return line
  } finally {
    lines.close()
    process.stderr.write('\n')
  }
  throw new HomewardError('CANCELLED', 'no passphrase was typed')
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new HomewardError('USAGE', `${file} cannot be read (${systemCode(cause)})`, { cause })
  }
}
