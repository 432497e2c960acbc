/** Camera commands that need no agent: preparing a card, and setting up before the first start. */
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { initRing } from '../camera/ring/ring.ts'
import { setUpOffline } from '../camera/setup.ts'
import { RealDisk } from '../platform/disk-real.ts'
import { HomewardError, isHomewardError, systemCode } from '../wire/errors.ts'
import { formatBytes } from './output.ts'
import { lockState, makeStateFolder } from './state-folder.ts'

export interface SetupArgs {
  readonly code: string
  readonly name: string
  readonly discard: boolean
}

/** Throws AGENT_RUNNING when an agent is just starting. */
export async function setUpHere(args: SetupArgs, state: string, ring: string | undefined): Promise<unknown> {
  await makeStateFolder(state)
  const unlock = await lockState(state)
  try {
    return await setUpOffline({ ...args, state, ring: ring === undefined ? undefined : resolve(ring) })
  } finally {
    await unlock()
  }
}

export interface Prepared {
  readonly ring: string
  readonly capacityBytes: number | null
  /** The folder is on the file system that holds everything else, too. */
  readonly onSystemDisk: boolean
}

/** Marks the folder. Throws RING_MARKED, CONFIG_INVALID. */
export async function prepareRing(ring: string, size: number | undefined): Promise<Prepared> {
  try {
    await initRing(new RealDisk(), ring, size === undefined ? {} : { capacityBytes: size })
    const [{ dev }, root] = await Promise.all([stat(ring), stat('/')])
    return { ring, capacityBytes: size ?? null, onSystemDisk: dev === root.dev }
  } catch (cause) {
    if (isHomewardError(cause)) throw cause
    throw new HomewardError('CONFIG_INVALID', `${ring} cannot be made a ring (${systemCode(cause) ?? cause})`, {
      hint: 'Name a folder on the mounted card where this user may write.',
      cause,
    })
  }
}

export function describePrepared({ ring, capacityBytes, onSystemDisk }: Prepared): string {
  const size = capacityBytes === null ? '' : ` of ${formatBytes(capacityBytes)}`
  return [
    `${ring} is ready to be a ring${size}: homeward camera run --ring ${ring}`,
    ...(onSystemDisk
      ? ["Note: it is on the system's own disk. If it was to be on a card, that card is not mounted there."]
      : []),
  ].join('\n')
}
