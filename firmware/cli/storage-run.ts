/** Starts the storage agent. */
import { RealClock } from '../platform/clock-real.ts'
import { letHeapGrow } from '../platform/heap.ts'
import { realRandom } from '../platform/random.ts'
import { StorageAgent, type StorageSettings } from '../storage/agent.ts'
import { storageCommands } from '../storage/commands.ts'
import { type CommonSettings, runProgram } from './agent-process.ts'

/** Until a signal; resolves with the exit status. */
export function runStorage(settings: StorageSettings & CommonSettings): Promise<number> {
  letHeapGrow()
  return runProgram(settings, async (log) => {
    const agent = await StorageAgent.start(settings, { clock: new RealClock(), random: realRandom, log })
    log.info({ uid: agent.identity.uid, listen: agent.listen, root: agent.root }, 'storage agent is up')
    const { recovery } = agent.archive
    if (recovery.files > 0) log.info(recovery, 'files that were open at the last end are put right')
    return { commands: storageCommands(agent), close: () => agent.close() }
  })
}
