/** Which disk this storage device has used: STATE/disk.json. After that, an empty or other folder is never taken for it. */
import { join } from 'node:path'
import { type Fields, readState, stateDamaged, writeState } from '../link/state-json.ts'
import type { Clock } from '../platform/clock.ts'
import type { Disk } from '../platform/disk.ts'
import type { Random } from '../platform/random.ts'
import { HomewardError, isHomewardError } from '../wire/errors.ts'
import { checkRoot, initRoot } from './archive/root.ts'

const FILE = 'disk.json'
const FORMAT = 'homeward-disk-1'

export interface KnownDiskOptions {
  readonly stateDir: string
  readonly root: string
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
}

/**
 * The id of the disk under the root. A root that was never used is made when it is missing or empty; one that was used
 * before must be the same. Throws DISK_MISSING, DISK_WRONG.
 */
export async function knownDisk({ stateDir, root, disk, clock, random }: KnownDiskOptions): Promise<string> {
  const path = join(stateDir, FILE)
  const known = diskOf(await readState(path, FORMAT), root, path)
  if (known !== undefined) return (await checkRoot(disk, root, known)).diskId
  const found = await checkRoot(disk, root).catch((error: unknown) => {
    if (isHomewardError(error, 'DISK_MISSING')) return undefined
    throw error
  })
  const { diskId } = found ?? (await initRoot(disk, root, random, clock.wallUs()))
  await writeState(path, FORMAT, { disk: diskId, root })
  return diskId
}

function diskOf(fields: Fields | undefined, root: string, path: string): string | undefined {
  if (fields === undefined) return undefined
  const { disk, root: usedRoot } = fields
  if (typeof disk !== 'string' || typeof usedRoot !== 'string') throw stateDamaged(path, 'it has wrong fields')
  if (usedRoot !== root) {
    throw new HomewardError('DISK_WRONG', `this storage device keeps its footage in ${usedRoot}, not in ${root}`, {
      hint: `Use --root ${usedRoot}; or, to start on a new disk, move ${path} away.`,
    })
  }
  return disk
}
