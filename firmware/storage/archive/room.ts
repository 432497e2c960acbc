import { diskMissing } from './disk-errors.ts'
import type { Settings } from './options.ts'

/**
 * Bytes that may be written before only the reserve is left. Throws DISK_MISSING when the root is gone, or another file
 * system is in its place: an unmounted disk must not fill the one underneath.
 */
export async function roomFor({ disk, root, minFreeBytes }: Settings, device: number): Promise<number> {
  const found = await disk.stat(root)
  if (found === undefined) throw diskMissing(`${root} is gone`)
  if (found.device !== device) throw diskMissing(`${root} is on another file system than before`)
  return (await disk.space(root)).freeBytes - minFreeBytes
}
