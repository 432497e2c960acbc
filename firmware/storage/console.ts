/** What a person types on a storage device's serial console. */
import type { Resets } from '../link/device-resets.ts'
import { type CommonOptions, commonCommands, describeSystem } from '../platform/console/common.ts'
import type { ConsoleCommands } from '../platform/console/console.ts'
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

export function storageConsole(agent: StorageAgent, options: StorageConsoleOptions): ConsoleCommands {
  const { system, board, describe, claim, resets } = options
  return {
    info: {
      usage: '',
      help: 'what this device is',
      run: async () => [
        'role: storage',
        `board: ${board}`,
        `uid: ${agent.identity.uid}`,
        ...(await describeSystem(system)),
        `node: ${process.versions.node}`,
        `memory: ${Math.round(process.memoryUsage.rss() / MIB)} MiB`,
      ],
    },
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
