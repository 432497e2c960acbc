/** Where an export may be written: looked at before the work, for its errors would come late and say less. */
import { access, constants, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { HomewardError, isHomewardError, systemCode } from '../wire/errors.ts'

/** Throws USAGE. An existing file is written over only with `replace`. */
export async function checkTarget(out: string, replace: boolean): Promise<void> {
  const kind = await kindOf(out)
  if (kind === 'other')
    throw new HomewardError('USAGE', `${out} is no ordinary file`, { hint: 'Name a file to be made.' })
  if (kind === 'file' && !replace) {
    throw new HomewardError('USAGE', `${out} exists already`, {
      hint: 'Choose another name, or write over it with --replace.',
    })
  }
  const folder = dirname(out)
  if ((await kindOf(folder)) === 'nothing') {
    throw new HomewardError('USAGE', `the folder ${folder} does not exist`, {
      hint: 'Make it first, or choose another one.',
    })
  }
  try {
    await access(folder, constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw new HomewardError('USAGE', `the storage agent may not write in ${folder} (${systemCode(cause) ?? cause})`, {
      hint: 'The agent writes the file, not this command: choose a folder where its user may write.',
      cause,
    })
  }
}

/** What fails while the file is written is about the disk it is on, which may be another than the archive's. */
export function writingFailed(error: unknown, out: string): unknown {
  if (!isHomewardError(error, 'DISK_FULL', 'DISK_READ_ONLY')) return error
  const why = error.code === 'DISK_FULL' ? 'there is no room for it' : 'its disk is read-only'
  return new HomewardError(error.code, `${out} could not be written: ${why}`, {
    hint: 'Nothing of it was left behind. Make room, or choose another place with --out.',
    cause: error,
  })
}

async function kindOf(path: string): Promise<'nothing' | 'file' | 'other'> {
  try {
    return (await stat(path)).isFile() ? 'file' : 'other'
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return 'nothing'
    throw new HomewardError('USAGE', `${path} cannot be looked at (${systemCode(error) ?? error})`, { cause: error })
  }
}
