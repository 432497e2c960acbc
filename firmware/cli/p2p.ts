import { join } from 'node:path'
import type { Command } from 'commander'
import { loadIdentity } from '../link/identity.ts'
import { UdxPort } from '../link/udx-port.ts'
import { MemoryRegistry } from '../p2p/registry/memory.ts'
import { P2pServer } from '../p2p/server.ts'
import { RealClock } from '../platform/clock-real.ts'
import { ControlServer } from '../platform/control.ts'
import { realRandom } from '../platform/random.ts'
import { type Closable, commonSettings, createLogger, makeStateFolder, runUntilSignal } from './agent-process.ts'
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
      const log = createLogger('p2p', settings.logLevel)
      await makeStateFolder(settings.state)
      process.exitCode = await runUntilSignal(async () => {
        const server = await startP2p(settings)
        log.info({ listen: server.listen, key: server.key }, 'P2P server is up')
        return server
      }, log)
    })
  addSettingFlags(command, SETTINGS)
}

interface RunningP2p extends Closable {
  readonly listen: { readonly host: string; readonly port: number }
  /** As text; pinned by storage devices and in setup codes. */
  readonly key: string
}

async function startP2p(settings: SettingsOf<typeof SETTINGS>): Promise<RunningP2p> {
  const identity = await loadIdentity(settings.state)
  const port = new UdxPort(settings.listen)
  const clock = new RealClock()
  const server = new P2pServer({ port, identity, registry: new MemoryRegistry(clock), clock, random: realRandom })
  const listen = { host: settings.listen.host, port: port.local.port }
  const control = new ControlServer(join(settings.state, 'control.sock'), {
    status: async () => ({ key: identity.uid, listen, counters: server.counters, ...(await server.stats()) }),
  })
  try {
    await control.start()
  } catch (error) {
    await port.close()
    throw error
  }
  server.start()
  return {
    listen,
    key: identity.uid,
    close: async () => {
      await control.close()
      await server.close()
      await port.close()
    },
  }
}
