/** Starts the P2P server. */
import { loadIdentity } from '../link/identity.ts'
import type { ServerPlace } from '../link/server-key.ts'
import { UdxPort } from '../link/udx-port.ts'
import { MemoryRegistry } from '../p2p/registry/memory.ts'
import { P2pServer } from '../p2p/server.ts'
import { RealClock } from '../platform/clock-real.ts'
import { realRandom } from '../platform/random.ts'
import { type CommonSettings, type RunningProgram, runProgram } from './agent-process.ts'

export interface P2pSettings extends CommonSettings {
  readonly listen: ServerPlace
}

/** Until a signal; resolves with the exit status. */
export function runP2p(settings: P2pSettings): Promise<number> {
  return runProgram(settings, async (log) => {
    const server = await startP2p(settings)
    log.info({ listen: server.listen, key: server.key }, 'P2P server is up')
    return server
  })
}

interface RunningP2p extends RunningProgram {
  readonly listen: { readonly host: string; readonly port: number }
  /** As text; pinned by storage devices and in setup codes. */
  readonly key: string
}

async function startP2p({ state, listen: asked }: P2pSettings): Promise<RunningP2p> {
  const identity = await loadIdentity(state)
  const port = new UdxPort(asked)
  const clock = new RealClock()
  const server = new P2pServer({ port, identity, registry: new MemoryRegistry(clock), clock, random: realRandom })
  const listen = { host: asked.host, port: port.local.port }
  server.start()
  return {
    listen,
    key: identity.uid,
    commands: {
      status: async () => ({ key: identity.uid, listen, counters: server.counters, ...(await server.stats()) }),
    },
    close: async () => {
      await server.close()
      await port.close()
    },
  }
}
