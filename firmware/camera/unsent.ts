/** How many fragments the last run had in memory only when it ended: they are gone, and the next run enters the gap. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { readPrivate, writePrivate } from '../link/private-file.ts'

const FILE = 'unsent'

export async function readUnsent(state: string): Promise<number> {
  const text = (await readPrivate(join(state, FILE)))?.trim() ?? ''
  return /^\d{1,12}$/.test(text) ? Number(text) : 0
}

/** On top of what is noted already and was not entered yet. */
export async function noteUnsent(state: string, fragments: number): Promise<void> {
  if (fragments > 0) await writePrivate(join(state, FILE), String((await readUnsent(state)) + fragments))
}

export async function forgetUnsent(state: string): Promise<void> {
  await rm(join(state, FILE), { force: true })
}
