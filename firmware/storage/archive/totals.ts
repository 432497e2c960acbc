import { fromHex } from '../../wire/bytes.ts'
import type { CameraFolders } from './cameras.ts'
import type { ArchiveIndex } from './index.ts'

export interface CameraTotals {
  /** Public key, 32 bytes. */
  readonly camera: Uint8Array
  /** Where its new files go, below the root. */
  readonly folder: string
  readonly fragments: number
  /** Of the fragments with their headers; the init segment and mfra of each file come on top. */
  readonly bytes: number
  /** Start of its first and end of its last dated file. */
  readonly firstUs: number | undefined
  readonly lastUs: number | undefined
  readonly lastReceivedUs: number | undefined
}

export function totalsOf(index: ArchiveIndex, cameras: CameraFolders): CameraTotals[] {
  return cameras.all().map(({ camera: key, row }) => {
    const camera = fromHex(key)
    const { fragments, bytes, lastReceivedUs } = index.totals(camera)
    return {
      camera,
      folder: row.folder,
      fragments,
      bytes,
      firstUs: index.firstFile(camera, 0)?.row.startUs,
      lastUs: index.lastFile(camera, Number.MAX_SAFE_INTEGER)?.row.endUs,
      lastReceivedUs: lastReceivedUs === 0 ? undefined : lastReceivedUs,
    }
  })
}
