/** `homeward p2p`. */
import type { Command } from 'commander'
import { addSettingFlags, commonSettings, hostPort, loadSettings, type Setting, text } from './settings.ts'

const REDIS_URL = /^rediss?:\/\/(?:[^\s@/]*@)?(?:\[[0-9a-fA-F:.]+\]|[^\s:[\]/@]+)(?::\d{1,5})?(?:\/\d+)?$/

const SETTINGS = {
  ...commonSettings('p2p'),
  listen: hostPort(
    { key: 'listen', placeholder: 'HOST:PORT', help: 'UDP address of the server' },
    { host: '0.0.0.0', port: 7440 },
    true,
  ),
  tlsListen: hostPort(
    {
      key: 'tls-listen',
      placeholder: 'HOST:PORT',
      help: 'TCP address for TLS (default: three ports above that of --listen, 0.0.0.0:7443)',
    },
    undefined,
    true,
  ),
  tlsCert: text({ key: 'tls-cert', placeholder: 'FILE', help: 'certificate in PEM (default: one of its own)' }, ''),
  tlsKey: text({ key: 'tls-key', placeholder: 'FILE', help: 'private key of --tls-cert in PEM' }, ''),
  registry: registry(),
  public: hostPort(
    {
      key: 'public',
      placeholder: 'HOST:PORT',
      help: 'where devices reach this server: with a shared registry, where the other servers send them (default: --listen)',
    },
    undefined,
  ),
  metrics: hostPort(
    {
      key: 'metrics',
      placeholder: 'HOST:PORT',
      help: 'metrics for Prometheus, without a password: best on 127.0.0.1 (default: none)',
    },
    undefined,
    true,
  ),
}

/** `memory`, or the URL of a Redis. */
function registry(): Setting<string> {
  return {
    key: 'registry',
    placeholder: 'memory|redis://HOST:PORT',
    help: 'what is registered: in memory, or in a Redis that several servers with the same key share',
    fallback: 'memory',
    expected: 'memory, or redis://[USER:PASSWORD@]HOST[:PORT][/NUMBER]',
    read: (value) => (typeof value === 'string' && (value === 'memory' || REDIS_URL.test(value)) ? value : undefined),
  }
}

export function addP2pCommand(program: Command): void {
  const command = program
    .command('p2p')
    .description('the P2P server: tells cameras where their storage device is, and relays what cannot go directly')
    .action(async (flags: Record<string, unknown>) => {
      const settings = await loadSettings(SETTINGS, flags)
      const { runP2p } = await import('./p2p-run.ts')
      process.exitCode = await runP2p(settings)
    })
  addSettingFlags(command, SETTINGS)
}
