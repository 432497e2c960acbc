/** Which ring this camera has used, so that a card that is missing is not taken for a wrong folder: STATE/card-known. */
import { join } from 'node:path'
import { readPrivate, writePrivate } from '../link/private-file.ts'

const FILE = 'card-known'

/** The ring's folder; undefined before the first ring was opened. */
export async function readKnownCard(state: string): Promise<string | undefined> {
  const dir = (await readPrivate(join(state, FILE)))?.trim()
  return dir === '' ? undefined : dir
}

export async function rememberCard(state: string, dir: string): Promise<void> {
  if ((await readKnownCard(state)) !== dir) await writePrivate(join(state, FILE), dir)
}
