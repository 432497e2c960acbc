/** Files that are kept apart for ledger entries: written and synced before the entry counts. */
import { join } from 'node:path'
import type { Disk } from '../../platform/disk.ts'
import { diskError } from './disk-errors.ts'
import type { Folders } from './folders.ts'
import type { AsideFile, LedgerJob } from './jobs.ts'

export interface AsideJobs {
  /** Jobs that fail are rejected and taken out of the set. */
  write(): Promise<void>
  /** Files of the jobs still in the set. */
  paths(): string[]
  /** `unsettled`: paths whose folders could not be synced, and why. */
  dropUnsettled(unsettled: ReadonlyMap<string, unknown>): void
}

export function asideJobs(disk: Disk, root: string, folders: Folders, jobs: Set<LedgerJob>): AsideJobs {
  const drop = (job: LedgerJob, error: unknown): void => {
    folders.forget()
    jobs.delete(job)
    job.reject(diskError(error, 'keeping a record apart'))
  }
  return {
    async write() {
      for (const job of [...jobs]) {
        try {
          for (const file of job.aside) {
            await folders.makeFor(file.path)
            await writeAside(disk, root, file)
          }
        } catch (error) {
          drop(job, error)
        }
      }
    },
    paths: () => [...jobs].flatMap((job) => job.aside.map(({ path }) => path)),
    dropUnsettled(unsettled) {
      for (const job of [...jobs]) {
        const path = job.aside.map((file) => file.path).find((name) => unsettled.has(name))
        if (path !== undefined) drop(job, unsettled.get(path))
      }
    },
  }
}

/** The name carries a hash of the contents, so writing it again puts the same bytes there. */
async function writeAside(disk: Disk, root: string, { path, parts }: AsideFile): Promise<void> {
  const file = await disk.open(join(root, path), 'write')
  try {
    await file.truncate(0)
    await file.write(parts, 0)
    await file.datasync()
  } finally {
    await file.close()
  }
}
