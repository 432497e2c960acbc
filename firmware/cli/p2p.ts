import type { Command } from 'commander'
import { loadIdentity } from '../link/identity.ts'
import { UdxPort } from '../link/udx-port.ts'
import { MemoryRegistry } from '../p2p/registry/memory.ts'
import { P2pServer } from '../p2p/server.ts'
import { RealClock } from '../platform/clock-real.ts'
import { realRandom } from '../platform/random.ts'
import { commonSettings, type RunningProgram, runProgram } from './agent-process.ts'
import { addSettingFlags, hostPort, loadSettings, type SettingsOf } from './settings.ts'

const SETTINGS = {
  ...commonSettings('p2p'),
  listen: hostPort(
    { key: 'listen', placeholder: 'HOST:PORT', help: 'UDP address of the server' },
    { host: '0.0.0.0', port: 7440 },
    true,
  ),
}

export function addP2pCommand(program: Command): void {
  const command = program
    .command('p2p')
    .description('the P2P server: tells cameras where their storage device is')
    .action(async (flags: Record<string, unknown>) => {
      const settings = await loadSettings(SETTINGS, flags)
      process.exitCode = await runProgram(settings, async (log) => {
        const server = await startP2p(settings)
        log.info({ listen: server.listen, key: server.key }, 'P2P server is up')
        return server
      })
    })
  addSettingFlags(command, SETTINGS)
}

interface RunningP2p extends RunningProgram {
  readonly listen: { readonly host: string; readonly port: number }
  /** As text; pinned by storage devices and in setup codes. */
  readonly key: string
}

async function startP2p({ state, listen: asked }: SettingsOf<typeof SETTINGS>): Promise<RunningP2p> {
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
