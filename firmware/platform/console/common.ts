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
}: CommonOptions): Record<'network' | 'disk' | 'log' | 'reboot', ConsoleCommand> {
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
    disk: {
      usage: '[prepare DEVICE [--erase]]',
      help: 'the cards and disks for footage, or makes one ready; --erase loses what is on it',
      run: async (words) => {
        if (words.length === 0) {
          const lines = await system.disks()
          return lines.length === 0 ? ['no card or disk for footage is there'] : lines
        }
        const [verb, device, ...more] = words.filter((word) => word !== '--erase')
        if (verb !== 'prepare' || device === undefined || more.length > 0) {
          throw new HomewardError('USAGE', 'expected nothing, or prepare and a device')
        }
        // As a device's name in /dev is: the word goes to a program that runs as root.
        if (!/^(?:\/dev\/)?[a-z][a-z0-9]{1,31}$/.test(device)) {
          throw new HomewardError('USAGE', `"${device.slice(0, 40)}" is no disk, expected a name that \`disk\` shows`)
        }
        const path = device.startsWith('/dev/') ? device : `/dev/${device}`
        const state = await system.prepareDisk(path, words.includes('--erase'))
        return [state === 'ready' ? `${path} is ready and taken into use` : `${path} is being made ready: see \`disk\``]
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

/** `PRETTY_NAME`, what identifies the build, and an update that did not stay, for `info`. */
export async function describeSystem(system: System): Promise<string[]> {
  const release = await system.release()
  const rows = [
    ['system', release.get('PRETTY_NAME')],
    ['version', release.get('VERSION_ID')],
    ['build', release.get('BUILD_ID')],
    ['update', await system.updateNote()],
  ]
  return rows.flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]))
}
