/** `homeward storage …`: the storage agent and the commands that ask it. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { HomewardError } from '../wire/errors.ts'
import { ask, askWithProgress, type CommandFlags } from './ask.ts'
import { readStorageBoard } from './board.ts'
import { printResult } from './output.ts'
import {
  addSettingFlags,
  boardSettings,
  byteCount,
  commonSettings,
  dayCount,
  defaultState,
  folder,
  hostPort,
  hostPortOrOff,
  loadSettings,
  nameList,
  oneOf,
  p2pTls,
  publicKey,
  text,
  wholeNumber,
} from './settings.ts'
import { addRetentionCommands } from './storage-retention.ts'
import {
  describeCameras,
  describeExport,
  describeReindex,
  describeStorage,
  describeVerify,
  isSound,
  parseMoment,
  type VerifyAnswer,
} from './storage-text.ts'

const ROLE = 'storage'
/** A day: the agent takes no more either. */
const TTL_MAX_S = 24 * 3600

const SETTINGS = {
  ...commonSettings(ROLE),
  ...boardSettings(),
  root: folder(
    { key: 'root', placeholder: 'DIR', help: 'where the footage goes, best the top of a disk of its own' },
    '/srv/homeward',
  ),
  rootMount: oneOf(
    {
      key: 'root-mount',
      placeholder: 'any|wait',
      help: 'wait: until a disk is mounted at the root; meanwhile the serial console can make one ready',
    },
    ['any', 'wait'] as const,
    'any',
  ),
  listen: hostPort(
    { key: 'listen', placeholder: 'HOST:PORT', help: 'UDP address' },
    { host: '0.0.0.0', port: 7441 },
    true,
  ),
  p2p: hostPort({ key: 'p2p', placeholder: 'HOST:PORT', help: 'the P2P server (default: none, LAN only)' }, undefined),
  p2pTls: p2pTls(),
  p2pKey: publicKey({
    key: 'p2p-key',
    placeholder: 'KEY',
    help: "the P2P server's key, as `homeward p2p` logs it (default: learned at the first contact)",
  }),
  http: hostPortOrOff(
    { key: 'http', placeholder: 'HOST:PORT', help: 'where the page and the API are served, or off' },
    { host: '0.0.0.0', port: 7480 },
  ),
  httpTls: oneOf(
    {
      key: 'http-tls',
      placeholder: 'on|off',
      help: 'HTTPS with a key of its own, which browsers warn of once; off: anybody in the network can listen',
    },
    ['on', 'off'] as const,
    'on',
  ),
  httpCert: text({ key: 'http-cert', placeholder: 'FILE', help: 'certificate in PEM, in place of its own' }, ''),
  httpKey: text({ key: 'http-key', placeholder: 'FILE', help: "the certificate's private key in PEM" }, ''),
  httpNames: nameList({
    key: 'http-names',
    placeholder: 'NAMES',
    help: 'names that browsers may reach the page by, besides addresses and .local names',
  }),
  minFreeBytes: byteCount(
    {
      key: 'min-free',
      placeholder: 'BYTES',
      help: 'space on the disk that footage leaves alone (default: 5 % of it, at most 10 GB)',
    },
    undefined,
  ),
  scrubBytesPerS: byteCount(
    {
      key: 'scrub-rate',
      placeholder: 'BYTES',
      help: 'how fast all footage is checked in the background, a second; 0: not',
    },
    8 * 2 ** 20,
  ),
  keepDays: dayCount({
    key: 'keep-days',
    placeholder: 'DAYS',
    help: 'delete footage that is older, unless `storage keep` says otherwise for its camera (default: when the disk needs room)',
  }),
  keepBytes: byteCount(
    {
      key: 'keep-bytes',
      placeholder: 'BYTES',
      help: 'delete the oldest footage of a camera that has more (default: when the disk needs room)',
    },
    undefined,
    1,
  ),
}

interface ExportFlags extends CommandFlags {
  readonly camera: string
  readonly from: string
  readonly to: string
  readonly out: string
  readonly replace?: boolean
}

export function addStorageCommand(program: Command): void {
  const storage = program.command('storage').description('the storage device: keeps what the cameras send')

  addSettingFlags(storage.command('run').description('run the storage agent'), SETTINGS).action(
    async (flags: Record<string, unknown>) => {
      const settings = await loadSettings(SETTINGS, flags)
      if (settings.p2p === undefined && settings.p2pTls !== undefined) {
        throw new HomewardError(
          'CONFIG_INVALID',
          '--p2p-tls without --p2p: it says where the same server is reached by TLS',
          {
            hint: 'Give both, or neither: then there is no P2P server, and cameras in the same network only.',
          },
        )
      }
      const hardware = settings.board === undefined ? undefined : await readStorageBoard(settings.board)
      const { runStorage } = await import('./storage-run.ts')
      process.exitCode = await runStorage({ ...settings, hardware })
    },
  )

  const command = (name: string, description: string) =>
    storage
      .command(name)
      .description(description)
      .option('--state <DIR>', 'state folder of the storage agent', defaultState(ROLE))
      .option('--json', 'answer as JSON')

  command('uid', "print this storage device's UID").action(async (flags: CommandFlags) => {
    const { ownUid } = await import('./key-commands.ts')
    const uid = await ownUid(flags.state)
    printResult({ uid }, flags.json === true, () => uid)
  })

  command('pair', 'open a pairing window and print its setup code')
    .option('--name <NAME>', 'what the camera will be called')
    .option('--ttl <SECONDS>', 'how long the code is good', '600')
    .action(async (flags: CommandFlags & { name?: string; ttl: string }) => {
      const args = {
        ...(flags.name === undefined ? {} : { name: flags.name }),
        ttlS: wholeNumber('--ttl', flags.ttl, 1, TTL_MAX_S),
      }
      const answer = (await ask(flags, 'pair', args)) as { setupCode: string; expiresAt: string; note?: string }
      printResult(answer, flags.json === true, ({ setupCode, expiresAt, note }) =>
        [
          setupCode,
          '',
          `On the camera: homeward camera setup ${setupCode.slice(0, 8)}…   (good until ${expiresAt})`,
          ...(note === undefined ? [] : [note]),
        ].join('\n'),
      )
    })

  command('claim', 'print a code for the first visit of the page').action(async (flags: CommandFlags) => {
    const answer = (await ask(flags, 'claim', {})) as { code: string; expiresAt: string; urls: readonly string[] }
    printResult(answer, flags.json === true, ({ code, expiresAt, urls }) =>
      [code, '', `Good until ${expiresAt}. Type it at the first visit of the page:`, ...urls].join('\n'),
    )
  })

  command('passwd', "set the page's password, and sign out everywhere")
    .option('--password-file <FILE>', 'its first line is the password')
    .action(async (flags: CommandFlags & { passwordFile?: string }) => {
      const { readNewPassword } = await import('./key-commands.ts')
      const password = await readNewPassword(flags.passwordFile)
      printResult(await ask(flags, 'passwd', { password }), flags.json === true, () => 'The password is set.')
    })

  command('status', 'what the storage device is doing, and why').action(async (flags: CommandFlags) => {
    printResult(await ask(flags, 'status', {}), flags.json === true, describeStorage)
  })

  command('cameras', 'list the paired cameras').action(async (flags: CommandFlags) => {
    printResult(await ask(flags, 'cameras', {}), flags.json === true, describeCameras)
  })

  command('forget <camera>', 'revoke a camera; its footage stays').action(
    async (camera: string, flags: CommandFlags) => {
      const answer = (await ask(flags, 'forget', { camera })) as { name: string; folder: string }
      printResult(
        answer,
        flags.json === true,
        ({ name, folder: kept }) => `${name} is forgotten. Its footage stays in ${kept}/.`,
      )
    },
  )

  command('verify', 'check that what the index says is on the disk')
    .option('--camera <C>', 'only this camera')
    .option('--deep', 'read every fragment and compare its checksum')
    .action(async (flags: CommandFlags & { camera?: string; deep?: boolean }) => {
      const args = { ...(flags.camera === undefined ? {} : { camera: flags.camera }), deep: flags.deep === true }
      const report = (await askWithProgress(flags, 'verify', args)) as VerifyAnswer
      printResult({ ok: isSound(report), ...report }, flags.json === true, describeVerify)
      if (!isSound(report)) process.exitCode = 1
    })

  command('reindex', 'rebuild the index from the files')
    .option('--root <DIR>', 'root of the archive, when the agent is not running', '/srv/homeward')
    .action(async (flags: CommandFlags & { root: string }) => {
      const report = await askWithProgress(flags, 'reindex', {}).catch(async (error: unknown) => {
        const { reindexOffline } = await import('./storage-offline.ts')
        return reindexOffline(error, flags)
      })
      printResult(report, flags.json === true, describeReindex)
    })

  command('export', 'write any span as one MP4, without re-encoding')
    .requiredOption('--camera <C>', 'name, folder or first characters of the UID')
    .requiredOption('--from <T>', 'such as 2026-05-01T12:00:00Z')
    .requiredOption('--to <T>', 'such as 2026-05-01T12:10:00Z')
    .requiredOption('--out <FILE>', 'the MP4 to write')
    .option('--replace', 'write over a file that is there')
    .addHelpText('after', '\nTimes are UTC unless they say otherwise: 2026-05-01T14:00:00+02:00')
    .action(async (flags: ExportFlags) => {
      const fromUs = parseMoment('--from', flags.from)
      const toUs = parseMoment('--to', flags.to)
      if (fromUs >= toUs) throw new HomewardError('USAGE', `--from: ${flags.from} is not before --to: ${flags.to}`)
      const out = resolve(flags.out)
      const args = { camera: flags.camera, fromUs, toUs, out, replace: flags.replace === true }
      printResult(await askWithProgress(flags, 'export', args), flags.json === true, (value) =>
        describeExport(value, args.out),
      )
    })

  addRetentionCommands(command)

  const key = storage.command('key').description("a passphrase-sealed copy of this storage device's key")
  key
    .command('export')
    .description('print the sealed key; the passphrase is asked for, or read from a file')
    .option('--state <DIR>', 'state folder', defaultState(ROLE))
    .option('--passphrase-file <FILE>', 'its first line is the passphrase')
    .option('--json', 'answer as JSON')
    .action(async (flags: CommandFlags & { passphraseFile?: string }) => {
      const { exportBackup } = await import('./key-commands.ts')
      printResult({ backup: await exportBackup(flags) }, flags.json === true, ({ backup }) => backup)
    })
  key
    .command('import <file>')
    .description('put a sealed key back; the agent must not be running')
    .option('--state <DIR>', 'state folder', defaultState(ROLE))
    .option('--passphrase-file <FILE>', 'its first line is the passphrase')
    .option('--replace', 'even when this device has another key')
    .option('--json', 'answer as JSON')
    .action(async (file: string, flags: CommandFlags & { passphraseFile?: string; replace?: boolean }) => {
      const { importBackup } = await import('./key-commands.ts')
      printResult(
        { uid: await importBackup(file, flags) },
        flags.json === true,
        ({ uid }) => `The key is back: UID ${uid}`,
      )
    })
}
