/** Console commands that cameras and storage devices share: those about the machine itself. */
import { networkInterfaces } from 'node:os'
import { HomewardError } from '../../wire/errors.ts'
import { changeNetwork, decodeNetwork, describeNetwork, encodeNetwork } from '../network-settings.ts'
import type { System } from '../system.ts'
import type { ConsoleCommand } from './console.ts'

export interface CommonOptions {
  readonly system: System
  /** The newest lines of the agent's log, oldest first. */
  readonly recentLog: () => readonly string[]
  /** `network.conf` in the state folder. */
  readonly network: {
    read(): Promise<string | undefined>
    write(text: string): Promise<void>
  }
}

const LOG_LINES = 20

export function commonCommands({
  system,
  recentLog,
  network,
}: CommonOptions): Record<'network' | 'log' | 'reboot', ConsoleCommand> {
  return {
    network: {
      usage: '[dhcp | static ADDRESS/BITS GATEWAY [DNS] | wifi NAME [PASSPHRASE] | wifi off]',
      help: 'shows the network, or changes it',
      secretAfter: /^\s*network\s+wifi\s+(?:"[^"]*"|'[^']*'|[^\s"']+)\s+/,
      run: async (words) => {
        const settings = decodeNetwork(await network.read())
        if (words.length === 0) return [...describeNetwork(settings), ...addresses()]
        const changed = changeNetwork(settings, words)
        await network.write(encodeNetwork(changed))
        await system.applyNetwork()
        return describeNetwork(changed)
      },
    },
    log: {
      usage: '[LINES]',
      help: 'the newest lines of the log',
      run: ([count = String(LOG_LINES)]) => {
        if (!/^[1-9]\d{0,3}$/.test(count)) throw new HomewardError('USAGE', `"${count}" is no number of lines`)
        return recentLog().slice(-Number(count))
      },
    },
    reboot: {
      usage: '',
      help: 'starts the machine again',
      run: async () => {
        await system.reboot()
        return ['starting again']
      },
    },
  }
}

function addresses(): string[] {
  const found = Object.entries(networkInterfaces()).flatMap(([name, list]) =>
    (list ?? []).filter(({ internal }) => !internal).map(({ cidr, address }) => `${name}: ${cidr ?? address}`),
  )
  return found.length === 0 ? ['no address on any interface'] : found
}

/** `PRETTY_NAME` and what identifies the build, for `info`. */
export async function describeSystem(system: System): Promise<string[]> {
  const release = await system.release()
  const rows = [
    ['system', release.get('PRETTY_NAME')],
    ['version', release.get('VERSION_ID')],
    ['build', release.get('BUILD_ID')],
  ]
  return rows.flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]))
}
