/** `homeward p2p`. */
import type { Command } from 'commander'
import { addSettingFlags, commonSettings, hostPort, loadSettings } from './settings.ts'

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
      const { runP2p } = await import('./p2p-run.ts')
      process.exitCode = await runP2p(settings)
    })
  addSettingFlags(command, SETTINGS)
}
