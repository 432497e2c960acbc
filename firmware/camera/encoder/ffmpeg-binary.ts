/** Where ffmpeg is. */
import { access, constants, stat } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { HomewardError } from '../../wire/errors.ts'

export const FFMPEG_VARIABLE = 'HOMEWARD_FFMPEG'

export const FFMPEG_HINT = 'Install it: sudo apt-get update && sudo apt-get install -y --no-install-recommends ffmpeg'

/**
 * The path of the ffmpeg program: what HOMEWARD_FFMPEG names (a path, or a name looked up in PATH), else `ffmpeg` in PATH.
 * Throws FFMPEG_MISSING.
 */
export async function findFfmpeg(environment: NodeJS.ProcessEnv = process.env): Promise<string> {
  const chosen = environment[FFMPEG_VARIABLE] ?? ''
  const name = chosen === '' ? 'ffmpeg' : chosen
  const candidates = name.includes('/')
    ? [name]
    : (environment.PATH ?? '')
        .split(delimiter)
        .filter((folder) => folder !== '')
        .map((folder) => join(folder, name))
  for (const candidate of candidates) {
    if (await isProgram(candidate)) return candidate
  }
  const where = name.includes('/') ? `${name} is not a program` : `no program ${name} in PATH`
  const why = chosen === '' ? where : `${FFMPEG_VARIABLE} is "${chosen}", but ${where}`
  throw new HomewardError('FFMPEG_MISSING', `ffmpeg was not found: ${why}`, { hint: FFMPEG_HINT })
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return (await stat(path)).isFile()
  } catch {
    return false
  }
}
