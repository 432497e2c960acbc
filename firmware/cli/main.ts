#!/usr/bin/env node
/** `homeward`: arguments to programs. Exit status: 0 done, 1 failed, 2 wrong usage. */
import { createRequire } from 'node:module'
import { Command, CommanderError } from 'commander'
import { HomewardError } from '../wire/errors.ts'
import { addCameraCommand } from './camera.ts'
import { addDemoCommand } from './demo.ts'
import { EXIT_OK, EXIT_USAGE, reportError } from './output.ts'
import { addP2pCommand } from './p2p.ts'
import { addStorageCommand } from './storage.ts'

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }

const program = new Command('homeward')
  .description("Keeps a network camera's footage at its owner's home.")
  .version(version)
  .showHelpAfterError('(--help shows what there is)')
  .exitOverride()

addCameraCommand(program)
addStorageCommand(program)
addP2pCommand(program)
addDemoCommand(program)

const wantsJson = process.argv.includes('--json')
try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT_OK : EXIT_USAGE
  else process.exitCode = reportError(error, wantsJson)
}
process.on('unhandledRejection', (reason) => {
  throw reason instanceof Error ? reason : new HomewardError('INTERNAL', String(reason))
})
