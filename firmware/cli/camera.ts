/** `homeward camera …`: the camera agent and the commands that ask it. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { FFMPEG_VARIABLE } from '../camera/encoder/ffmpeg-binary.ts'
import { isHomewardError } from '../wire/errors.ts'
import { ask, type CommandFlags } from './ask.ts'
import { readCameraBoard } from './board.ts'
import { describeRings, describeStatus } from './camera-text.ts'
import { printResult } from './output.ts'
import {
  addSettingFlags,
  boardSettings,
  byteCount,
  commonSettings,
  defaultState,
  hostPort,
  loadSettings,
  optionalText,
  p2pTls,
  text,
} from './settings.ts'

const ROLE = 'camera'
const DEFAULT_SOURCE = 'v4l2:/dev/video0'
const SMALLEST_RING_BYTES = 64 * 1024 * 1024

const SETTINGS = {
  ...commonSettings(ROLE),
  source: optionalText(
    { key: 'source', placeholder: 'SPEC', help: "what to film (default: the board's source, else v4l2:/dev/video0)" },
    undefined,
  ),
  ...boardSettings(),
  ring: text(
    {
      key: 'ring',
      placeholder: 'DIR',
      help: 'folder on the SD card, made by `camera ring init`; "none" runs from memory',
    },
    '/var/lib/homeward/card',
  ),
  ringSize: byteCount(
    { key: 'ring-size', placeholder: 'BYTES', help: 'what the ring may take of the card (default: all that is free)' },
    undefined,
    SMALLEST_RING_BYTES,
  ),
  p2p: hostPort({ key: 'p2p', placeholder: 'HOST:PORT', help: "overrides the setup code's P2P server" }, undefined),
  p2pTls: p2pTls(),
  listen: hostPort(
    { key: 'listen', placeholder: 'HOST:PORT', help: 'UDP address' },
    { host: '0.0.0.0', port: 0 },
    true,
  ),
}

const RING_SIZE = byteCount({ key: 'size', placeholder: 'BYTES', help: '' }, undefined, SMALLEST_RING_BYTES)

/** For every `--source`. */
export const SOURCES_HELP = `Sources:
  v4l2:/dev/video0[,codec=h265,size=WxH,fps=N]  a camera that delivers H.264 or H.265
    [,encode=v4l2m2m|rkmpp|x264,gop=N,bitrate=KBITS]  one that delivers raw pictures, and who compresses them
  rtsp://[USER:PASSWORD@]HOST[:PORT]/PATH       a network camera
  file:CLIP.mp4                                 a clip, again and again, in real time
  test[:h265][,size=WxH,fps=N,gop=N,audio=aac]  ffmpeg's test picture
  fake[:fps=N,gop=N,size=WxH,bitrate=N]         numbered frames, without ffmpeg`

interface SetupFlags extends CommandFlags {
  readonly name?: string
  readonly discard?: boolean
  readonly ring?: string
}

export function addCameraCommand(program: Command): void {
  const camera = program.command('camera').description('the camera: films, keeps, sends')

  addSettingFlags(camera.command('run').description('run the camera agent'), SETTINGS)
    .addHelpText('after', `\n${SOURCES_HELP}`)
    .action(async (flags: Record<string, unknown>) => {
      const settings = await loadSettings(SETTINGS, flags)
      const board = settings.board === undefined ? undefined : await readCameraBoard(settings.board)
      const source = settings.source ?? board?.capture.source ?? DEFAULT_SOURCE
      if (board?.capture.ffmpeg !== undefined) process.env[FFMPEG_VARIABLE] ??= board.capture.ffmpeg
      const ring = settings.ring === 'none' ? undefined : resolve(settings.ring)
      const { runCamera } = await import('./camera-run.ts')
      process.exitCode = await runCamera({ ...settings, source, ring, hardware: board })
    })

  const command = (parent: Command, name: string, description: string) =>
    parent
      .command(name)
      .description(description)
      .option('--state <DIR>', 'state folder of the camera agent', defaultState(ROLE))
      .option('--json', 'answer as JSON')

  command(camera, 'setup <code>', "take a storage device's setup code")
    .option('--name <NAME>', 'what the camera wants to be called')
    .option('--discard', 'give up footage that waits for another storage device')
    .option('--ring <DIR>', "the ring's folder, when the agent is not running (default: where it was last)")
    .action(async (code: string, flags: SetupFlags) => {
      const args = { code, name: flags.name ?? '', discard: flags.discard === true }
      const answer = await ask(flags, 'setup', args).catch(async (error: unknown) => {
        if (!isHomewardError(error, 'AGENT_NOT_RUNNING')) throw error
        const { setUpHere } = await import('./camera-offline.ts')
        return setUpHere(args, flags.state, flags.ring)
      })
      printResult(answer as { storage: string; running: boolean }, flags.json === true, ({ storage, running }) =>
        running
          ? `Set up for storage device ${storage}. See \`homeward camera status\`.`
          : `Set up for storage device ${storage} in ${flags.state}, whose agent is not running. Start it: homeward camera run`,
      )
    })

  command(camera, 'status', 'what the camera is doing, and why').action(async (flags: CommandFlags) => {
    printResult(await ask(flags, 'status', {}), flags.json === true, describeStatus)
  })

  const ring = command(camera, 'ring', 'what is on the card').action(async (flags: CommandFlags) => {
    printResult(await ask(flags, 'ring', {}), flags.json === true, describeRings)
  })
  ring
    .command('init <dir>')
    .description("mark a folder as the ring's home: the top of the mounted card")
    .option('--size <BYTES>', 'what the ring may take of the card (default: all that is free)')
    .option('--json', 'answer as JSON')
    .action(async (dir: string, flags: { size?: string; json?: boolean }) => {
      const { size } = await loadSettings({ size: RING_SIZE }, { size: flags.size })
      const { describePrepared, prepareRing } = await import('./camera-offline.ts')
      printResult(await prepareRing(resolve(dir), size), flags.json === true, describePrepared)
    })
}
