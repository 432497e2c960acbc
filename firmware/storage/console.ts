/** What a person types on a storage device's serial console. */
import type { Resets } from '../link/device-resets.ts'
import { type CommonOptions, commonCommands, describeSystem } from '../platform/console/common.ts'
import type { ConsoleCommand, ConsoleCommands } from '../platform/console/console.ts'
import { HomewardError } from '../wire/errors.ts'
import type { StorageAgent } from './agent.ts'
import { openPairing } from './pairing.ts'

export interface StorageConsoleOptions extends CommonOptions {
  readonly board: string
  /** Lines for a person, as `homeward storage status` prints them. */
  readonly describe: () => Promise<string>
  /** Makes the page's claim code; undefined without a page. */
  readonly claim: (() => string) | undefined
  readonly resets: Resets
}

const MIB = 1024 * 1024
const NO_DISK = 'no disk for footage is there'
const NO_DISK_HINT = '`disk` shows what there is; `disk prepare DEVICE` makes one ready.'

/** What can be had before there is a disk: all that is about the machine itself. */
export function waitingConsole(
  options: CommonOptions & Pick<StorageConsoleOptions, 'board' | 'resets'>,
): ConsoleCommands {
  const noDisk = (usage: string, help: string): ConsoleCommand => ({
    usage,
    help,
    run: () => {
      throw new HomewardError('DISK_MISSING', NO_DISK, { hint: NO_DISK_HINT })
    },
  })
  return {
    info: infoCommand(options),
    status: {
      usage: '',
      help: 'what it is doing, and why',
      run: () => [`state: ${NO_DISK}, so nothing is recorded`, `next: ${NO_DISK_HINT}`],
    },
    setup: noDisk('[NAME]', 'makes a setup code, once there is a disk'),
    claim: noDisk('', "makes the code for the page's first visitor, once there is a disk"),
    name: noDisk('', 'the names of the cameras, once there is a disk'),
    ...commonCommands(options),
    ...resetCommands(options.resets),
  }
}

function infoCommand({ system, board }: CommonOptions & { board: string }, uid?: string): ConsoleCommand {
  return {
    usage: '',
    help: 'what this device is',
    run: async () => [
      'role: storage',
      `board: ${board}`,
      ...(uid === undefined ? [] : [`uid: ${uid}`]),
      ...(await describeSystem(system)),
      `node: ${process.versions.node}`,
      `memory: ${Math.round(process.memoryUsage.rss() / MIB)} MiB`,
    ],
  }
}

export function storageConsole(agent: StorageAgent, options: StorageConsoleOptions): ConsoleCommands {
  const { describe, claim, resets } = options
  return {
    info: infoCommand(options, agent.identity.uid),
    status: { usage: '', help: 'what it is doing, and why', run: async () => (await describe()).split('\n') },
    setup: {
      usage: '[NAME]',
      help: 'makes a setup code for one camera, good for ten minutes',
      run: async ([name, ...more]) => {
        if (more.length > 0) throw new HomewardError('USAGE', 'put a name with spaces in quotes')
        const { setupCode, window, note } = await openPairing(agent, name === undefined ? {} : { name })
        return [
          `code: ${setupCode}`,
          `good until: ${new Date(window.expiresUs / 1000).toISOString()}`,
          ...(note === undefined ? [] : [note]),
        ]
      },
    },
    name: {
      usage: '',
      help: 'the names of the cameras that send here',
      run: () => agent.cameras.all().map(({ name, uid }) => `${name}: ${uid}`),
    },
    claim: {
      usage: '',
      help: "makes the code that the page's first visitor is asked for",
      run: () => {
        if (claim === undefined) throw new HomewardError('CONFIG_INVALID', 'the page is switched off on this device')
        return [`claim code: ${claim()}`]
      },
    },
    ...commonCommands(options),
    ...resetCommands(resets),
  }
}

function resetCommands(resets: Resets): Record<'reset' | 'factory-reset', ConsoleCommand> {
  return {
    reset: {
      usage: '',
      help: 'forgets the network; cameras and footage stay',
      run: async () => {
        await resets.reset()
        return ['the network is forgotten']
      },
    },
    'factory-reset': {
      usage: '--discard',
      help: 'forgets everything but the footage on the disk, the key too, and starts again',
      run: async (words) => {
        if (!words.includes('--discard')) {
          throw new HomewardError('USAGE', 'every camera has to be set up again, and footage on their cards is lost', {
            hint: 'Save the key first (homeward storage key export), or type: factory-reset --discard',
          })
        }
        await resets.factoryReset()
        return ['everything but the footage is forgotten, starting again']
      },
    },
  }
}
