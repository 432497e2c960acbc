#!/usr/bin/env node
/** `homeward`: arguments to programs. Exit status: 0 done, 1 failed, 2 wrong usage. */
import { createRequire } from 'node:module'
import { Command, CommanderError } from 'commander'
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE, reportError } from './output.ts'
import { helpInstead, usageError } from './usage.ts'

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }
const wantsJson = process.argv.includes('--json')

process.on('uncaughtException', (error) => {
  reportError(error, wantsJson)
  process.exit(EXIT_FAILED)
})
// Whoever reads the output may go away at any time, as `head` does: no reason to stop filming.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)

const program = new Command('homeward')
  .description("Keeps a network camera's footage at its owner's home.")
  .version(version)
  // An option belongs to the command it stands behind: `camera ring` and `camera ring init` both have a --json.
  .enablePositionalOptions()
  .exitOverride()
  .configureOutput({ outputError: () => undefined })

/** Each group brings its own modules: a program has only what it needs in memory. */
const COMMANDS = new Map([
  ['camera', async () => (await import('./camera.ts')).addCameraCommand],
  ['storage', async () => (await import('./storage.ts')).addStorageCommand],
  ['p2p', async () => (await import('./p2p.ts')).addP2pCommand],
  ['demo', async () => (await import('./demo.ts')).addDemoCommand],
])
const asked = COMMANDS.get(process.argv[2] ?? '')
for (const load of asked === undefined ? COMMANDS.values() : [asked]) (await load())(program)

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) process.exitCode = reportError(error, wantsJson)
  else if (error.exitCode === 0) process.exitCode = EXIT_OK
  else if (helpInstead(error) && !wantsJson) process.exitCode = EXIT_USAGE
  else process.exitCode = reportError(usageError(error, program, process.argv.slice(2)), wantsJson)
}
