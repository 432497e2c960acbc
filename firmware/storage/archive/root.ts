/** The root folder and its marker `homeward.json`: the right disk, and not the empty mount point where it should be. */
import { join } from 'node:path'
import type { Disk } from '../../platform/disk.ts'
import { makeDurableDir, readWhole, writeAtomic } from '../../platform/disk-files.ts'
import type { Random } from '../../platform/random.ts'
import { toHex } from '../../wire/bytes.ts'
import { HomewardError } from '../../wire/errors.ts'
import { diskError, diskMissing } from './disk-errors.ts'
import { MARKER_PATH, PRIVATE_FOLDER } from './names.ts'

const FORMAT = 'homeward-archive'
const VERSION = 1
const MARKER_MAX_BYTES = 64 * 1024
/** What a freshly made file system may have in it. */
const HARMLESS = new Set(['lost+found'])

export interface Root {
  /** 32 hex digits, drawn when the root was made. */
  readonly diskId: string
  /** Device number of its file system now. */
  readonly device: number
}

/** Makes a folder, new or empty, into the root of an archive. Throws DISK_WRONG when it has something else in it. */
export async function initRoot(disk: Disk, root: string, random: Random, wallUs: number): Promise<Root> {
  try {
    await makeDurableDir(disk, root)
    const others = (await disk.list(root)).filter(({ name }) => !HARMLESS.has(name))
    if (others.some(({ name }) => name === MARKER_PATH)) {
      throw new HomewardError('DISK_WRONG', `${root} is the root of an archive already`, { hint: 'Use it as it is.' })
    }
    if (others.length > 0) {
      throw new HomewardError('DISK_WRONG', `${root} is not empty: it has ${others[0]?.name ?? 'something'} in it`, {
        hint: 'Choose an empty folder, best the top of a disk of its own.',
      })
    }
    await makeDurableDir(disk, join(root, PRIVATE_FOLDER))
    const marker = { format: FORMAT, version: VERSION, disk: toHex(random.bytes(16)), madeUs: wallUs }
    await writeAtomic(disk, join(root, MARKER_PATH), new Uint8Array(Buffer.from(`${JSON.stringify(marker)}\n`)))
    return await checkRoot(disk, root)
  } catch (error) {
    throw diskError(error, `making ${root} a root`)
  }
}

/**
 * Throws DISK_MISSING when there is no root, DISK_WRONG when it is not an archive's or, with `expected`, another one's.
 */
export async function checkRoot(disk: Disk, root: string, expected?: string): Promise<Root> {
  const found = await disk.stat(root)
  if (found?.kind !== 'folder') throw diskMissing(`there is no folder ${root}`)
  const bytes = await readWhole(disk, join(root, MARKER_PATH), MARKER_MAX_BYTES)
  if (bytes === undefined) throw await unmarked(disk, root)
  const diskId = parseMarker(bytes, root)
  if (expected !== undefined && expected !== diskId) {
    throw new HomewardError('DISK_WRONG', `${root} is the archive ${diskId}, expected ${expected}`, {
      hint: 'Another disk is mounted there; mount the one that was used before.',
    })
  }
  return { diskId, device: found.device }
}

async function unmarked(disk: Disk, root: string): Promise<HomewardError> {
  const names = (await disk.list(root)).map(({ name }) => name).filter((name) => !HARMLESS.has(name))
  if (names.length === 0) return diskMissing(`${root} is empty: no archive was made there, or its disk is not mounted`)
  return new HomewardError('DISK_WRONG', `${root} has no ${MARKER_PATH}, but ${names[0] ?? 'other files'}`, {
    hint: 'It is not the root of an archive: mount the right disk, or choose an empty folder.',
  })
}

function parseMarker(bytes: Uint8Array, root: string): string {
  let marker: unknown
  try {
    marker = JSON.parse(Buffer.from(bytes).toString())
  } catch {
    marker = undefined
  }
  if (typeof marker === 'object' && marker !== null && 'format' in marker && marker.format === FORMAT) {
    const version = 'version' in marker ? marker.version : undefined
    if (version !== VERSION) {
      throw new HomewardError('DISK_WRONG', `${root} is an archive of version ${version}, expected ${VERSION}`, {
        hint: 'It was made by another version of this program: use that one.',
      })
    }
    if ('disk' in marker && typeof marker.disk === 'string' && /^[0-9a-f]{32}$/.test(marker.disk)) return marker.disk
  }
  throw new HomewardError('DISK_WRONG', `${join(root, MARKER_PATH)} is not an archive's marker`, {
    hint: 'It is damaged or of another program. The footage beside it is ordinary MP4.',
  })
}
