/** Reindexing an archive whose agent is not running, for instance because it will not start without an index. */
import { resolve } from 'node:path'
import { RealClock } from '../platform/clock-real.ts'
import { RealDisk } from '../platform/disk-real.ts'
import { reindexArchive } from '../storage/archive/reindex.ts'
import { isHomewardError } from '../wire/errors.ts'
import { progressText } from './ask.ts'

/** `failure`: what asking the agent ended with; anything but AGENT_NOT_RUNNING is thrown on. */
export async function reindexOffline(failure: unknown, { root }: { readonly root: string }): Promise<unknown> {
  if (!isHomewardError(failure, 'AGENT_NOT_RUNNING')) throw failure
  const cancel = new AbortController()
  const onInterrupt = () => cancel.abort()
  process.once('SIGINT', onInterrupt)
  const show = process.stderr.isTTY === true
  try {
    return await reindexArchive(
      { disk: new RealDisk(), clock: new RealClock(), root: resolve(root) },
      {
        signal: cancel.signal,
        onProgress: (progress) => {
          if (show) process.stderr.write(`\r\u001b[2K${progressText(progress)}`)
        },
      },
    )
  } finally {
    if (show) process.stderr.write('\r\u001b[2K')
    process.off('SIGINT', onInterrupt)
  }
}
