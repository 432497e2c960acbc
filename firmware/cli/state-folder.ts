/** The state folder of a program: made, kept for one program at a time, and where its control socket is. */
import { access, constants } from 'node:fs/promises'
import { join } from 'node:path'
import { tryLockFolder } from '../platform/folder-lock.ts'
import { makeFolders } from '../platform/folders.ts'
import { HomewardError, systemCode } from '../wire/errors.ts'

export function controlPath(state: string): string {
  return join(state, 'control.sock')
}

/** Makes the folder with its parents. Throws CONFIG_INVALID when that cannot be, or nothing may be written there. */
export async function makeStateFolder(path: string): Promise<void> {
  try {
    await makeFolders(path, 0o700)
    await access(path, constants.W_OK)
  } catch (cause) {
    throw new HomewardError(
      'CONFIG_INVALID',
      `the state folder ${path} cannot be used (${systemCode(cause) ?? cause})`,
      {
        hint: 'Choose another one with --state, or run as a user who may write there.',
        cause,
      },
    )
  }
}

/** One program for each state folder. Throws AGENT_RUNNING; the result gives it back. */
export async function lockState(state: string): Promise<() => Promise<void>> {
  const unlock = await tryLockFolder(state, 'state')
  if (unlock !== undefined) return unlock
  throw new HomewardError('AGENT_RUNNING', `another agent is running with the state folder ${state}`, {
    hint: 'Stop it first, or give this one a folder of its own with --state.',
  })
}
