/** What a person types on a camera's serial console. */
import type { Resets } from '../link/device-resets.ts'
import { formatUid } from '../link/uid.ts'
import { type CommonOptions, commonCommands, describeSystem } from '../platform/console/common.ts'
import type { ConsoleCommands } from '../platform/console/console.ts'
import { HomewardError } from '../wire/errors.ts'
import type { CameraAgent } from './agent.ts'
import { countWaiting } from './waiting.ts'

export interface CameraConsoleOptions extends CommonOptions {
  readonly board: string
  /** Lines for a person, as `homeward camera status` prints them. */
  readonly describe: () => string
  readonly resets: Resets
}

const MIB = 1024 * 1024

export function cameraConsole(agent: CameraAgent, options: CameraConsoleOptions): ConsoleCommands {
  const { system, board, describe, resets } = options
  const { network, disk, log, reboot } = commonCommands(options)
  return {
    info: {
      usage: '',
      help: 'what this device is',
      run: async () => [
        'role: camera',
        `board: ${board}`,
        `camera: ${agent.identity.uid}`,
        ...(await describeSystem(system)),
        `node: ${process.versions.node}`,
        `memory: ${Math.round(process.memoryUsage.rss() / MIB)} MiB`,
        `boot: ${agent.boot}`,
      ],
    },
    status: { usage: '', help: 'what it is doing, and why', run: () => describe().split('\n') },
    setup: {
      usage: 'CODE [NAME] [--discard]',
      help: "takes a storage device's setup code; --discard gives up footage that waits for another one",
      secretAfter: /^\s*setup\s+/,
      run: async (words) => {
        const [code, name = '', ...more] = words.filter((word) => word !== '--discard')
        if (code === undefined) throw new HomewardError('USAGE', 'the setup code is missing')
        if (more.length > 0) throw new HomewardError('USAGE', 'put a name with spaces in quotes')
        const { storage } = await agent.setUp(code, name, words.includes('--discard'))
        return [`storage: ${storage}`]
      },
    },
    name: {
      usage: '[NAME]',
      help: 'shows or changes what the camera wants to be called',
      run: async (words) => {
        if (agent.pairing === undefined)
          throw new HomewardError('NOT_PROVISIONED', 'this camera has not been set up', { hint: 'Type: setup CODE' })
        if (words.length > 0) await agent.rename(words.join(' '))
        const { pairing } = agent
        return [`name: ${pairing.name ?? pairing.wantedName}`, `storage: ${formatUid(pairing.storage)}`]
      },
    },
    network,
    disk,
    log,
    reset: {
      usage: '',
      help: 'forgets network and storage device; footage on the card stays',
      run: async () => {
        await resets.reset()
        return ['network and storage device are forgotten']
      },
    },
    'factory-reset': {
      usage: '[--discard]',
      help: 'forgets everything, the key and the ring too, and starts again',
      run: async (words) => {
        const waiting = countWaiting((agent.filming?.recorder.rings ?? []).flatMap((ring) => ring.logs()))
        if (waiting > 0 && !words.includes('--discard')) {
          throw new HomewardError(
            'RECORDS_WAITING',
            `${waiting} fragments are not safe yet and would be lost for good`,
            {
              hint: 'Wait until they are sent, or type: factory-reset --discard',
            },
          )
        }
        await resets.factoryReset()
        return ['everything is forgotten, starting again']
      },
    },
    reboot,
  }
}
