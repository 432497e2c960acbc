/** Starts the storage agent. */
import { RealClock } from '../platform/clock-real.ts'
import { letHeapGrow } from '../platform/heap.ts'
import { realRandom } from '../platform/random.ts'
import { realSystem } from '../platform/system-real.ts'
import { StorageAgent, type StorageSettings } from '../storage/agent.ts'
import { storageCommands, storageStatus } from '../storage/commands.ts'
import { storagePanel } from '../storage/front-panel.ts'
import { webCommands } from '../storage/web/commands.ts'
import { Web, type WebSettings } from '../storage/web/web.ts'
import { HomewardError } from '../wire/errors.ts'
import { type CommonSettings, runProgram } from './agent-process.ts'
import { awaitDisk } from './await-disk.ts'
import { openPanel, type PanelSettings, petWhileStarting, showFailure } from './front-panel.ts'
import { describeStorage } from './storage-text.ts'

export interface RootSettings {
  /** `wait`: until a file system is mounted at the root. */
  readonly rootMount: 'any' | 'wait'
}

export interface PageSettings {
  readonly http: { readonly host: string; readonly port: number } | 'off'
  readonly httpTls: 'on' | 'off'
  /** Files, or empty. */
  readonly httpCert: string
  readonly httpKey: string
  readonly httpNames: readonly string[]
}

function pageSettings({ http, httpTls, httpCert, httpKey, httpNames }: PageSettings): WebSettings | undefined {
  if (http === 'off') return undefined
  if ((httpCert === '') !== (httpKey === '')) {
    throw new HomewardError('CONFIG_INVALID', 'http-cert and http-key: one of them is missing', {
      hint: 'Give both, or neither for a certificate of its own.',
    })
  }
  const certificate = httpCert === '' ? undefined : { cert: httpCert, key: httpKey }
  return { ...http, tls: httpTls === 'on', certificate, names: httpNames }
}

/** Undefined when it is off. Without one that is wanted nothing is recorded either: whoever starts the agent is told what stands in the way. */
async function startPage(agent: StorageAgent, settings: PageSettings): Promise<Web | undefined> {
  try {
    const page = pageSettings(settings)
    return page === undefined ? undefined : await Web.start(agent, page)
  } catch (error) {
    await agent.close()
    throw error
  }
}

/** Until a signal; resolves with the exit status. */
export function runStorage(
  settings: StorageSettings & RootSettings & CommonSettings & PageSettings & PanelSettings,
): Promise<number> {
  letHeapGrow()
  const { hardware, led } = settings
  return runProgram(settings, async (log, recent) => {
    const clock = new RealClock()
    if (settings.rootMount === 'wait') await awaitDisk(settings, clock, log, () => recent.lines())
    const parts = await openPanel(settings, clock, log)
    const started = petWhileStarting(parts, clock)
    const agent = await StorageAgent.start(settings, { clock, random: realRandom, log }).catch((error: unknown) => {
      started()
      showFailure(parts)
      throw error
    })
    log.info({ uid: agent.identity.uid, listen: agent.listen, root: agent.root }, 'storage agent is up')
    const { recovery } = agent.archive
    if (recovery.files > 0) log.info(recovery, 'files that were open at the last end are put right')
    const web = await startPage(agent, settings).finally(started)
    const panel =
      hardware === undefined || parts === undefined
        ? undefined
        : storagePanel({
            ...{ agent, parts, board: hardware.name, dark: led === 'dark', system: realSystem },
            recentLog: () => recent.lines(),
            describe: async () => describeStorage(await storageStatus(agent)),
            claim: web === undefined ? undefined : () => web.accounts.newClaim().code,
          })
    panel?.start()
    return {
      commands: { ...storageCommands(agent), ...webCommands(agent, web) },
      close: async () => {
        await panel?.close()
        await web?.close()
        await agent.close()
      },
    }
  })
}
