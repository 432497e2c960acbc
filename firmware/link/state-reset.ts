/**
 * Emptying a state folder for a factory reset. It is noted first and done at the next start, before anything is read: so a
 * power cut in the middle is no half reset.
 */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { readPrivate, removePrivate, writePrivate } from './private-file.ts'

const NOTE = 'factory-reset'
/** Of the program that is starting. */
const CONTROL_SOCKET = 'control.sock'

export async function noteReset(state: string): Promise<void> {
  await writePrivate(join(state, NOTE), 'at the next start\n')
}

export async function forgetResetNote(state: string): Promise<void> {
  await removePrivate(join(state, NOTE))
}

export async function isResetNoted(state: string): Promise<boolean> {
  return (await readPrivate(join(state, NOTE))) !== undefined
}

/** Everything in the folder goes; the note goes last. */
export async function emptyState(state: string): Promise<void> {
  const names = (await readdir(state)).filter((name) => name !== NOTE && name !== CONTROL_SOCKET)
  for (const name of names) await rm(join(state, name), { recursive: true, force: true })
  await removePrivate(join(state, NOTE))
}
