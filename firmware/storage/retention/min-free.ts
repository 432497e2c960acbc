import type { DiskSpace } from '../../platform/disk.ts'

const SHARE = 0.05
const MOST_BYTES = 10e9

/**
 * What is left free unless its owner says otherwise. A file system that is nearly full becomes slow and scatters its files, and
 * the index, the journal and everything else on the disk want some room; 5 % is what ext4 reserves for the same reasons. On a
 * large disk that would be footage of weeks for nothing: 10 GB do.
 */
export function minFreeOf({ totalBytes }: DiskSpace): number {
  return Math.min(Math.ceil(totalBytes * SHARE), MOST_BYTES)
}
