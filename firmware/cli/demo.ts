/** `homeward demo`: the three programs on this machine, paired and streaming, with one live status line. */
import type { Command } from 'commander'
import { SOURCES_HELP } from './camera.ts'
import { wholeNumber } from './settings.ts'

const MAX_CAMERAS = 16

interface DemoFlags {
  readonly source?: string
  readonly seconds?: string
  readonly cameras: string
  readonly dir?: string
}

export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('P2P server, storage device and cameras on this machine, until Ctrl-C')
    .option('--source <SPEC>', "what the cameras see (default: this machine's camera, else ffmpeg's test picture)")
    .option('--seconds <N>', 'stop by itself after this time')
    .option('--cameras <N>', `how many, at most ${MAX_CAMERAS}`, '1')
    .option('--dir <DIR>', 'where everything is kept; the same one again goes on (default: a new temporary folder)')
    .addHelpText('after', `\n${SOURCES_HELP}`)
    .action(async ({ source, seconds, cameras, dir }: DemoFlags) => {
      const options = {
        source,
        seconds: seconds === undefined ? undefined : wholeNumber('--seconds', seconds, 1, 86_400),
        cameras: wholeNumber('--cameras', cameras, 1, MAX_CAMERAS),
        dir,
      }
      const { runDemo } = await import('./demo-run.ts')
      process.exitCode = await runDemo(options)
    })
}
