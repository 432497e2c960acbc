// time-out: 180 s
/**
 * Whatever a person gets wrong before anything runs ends in one line that says what was wrong and what to do, exit status
 * 2 for wrong usage and 1 for the rest, and leaves nothing changed.
 */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { initRing } from '../camera/ring/marker.ts'
import { createIdentity } from '../link/identity.ts'
import { formatSetupCode } from '../link/setup-code.ts'
import { RealDisk } from '../platform/disk-real.ts'
import { answerOf, assertRefused, assertRefusedJson, homeward, inTurns } from './command-fixture.ts'

const test = suite('bad input', { folder: '' })
type Context = { folder: string }

test.before(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), 'homeward-'))
})
test.after((context) => rm(context.folder, { recursive: true, force: true }))

const COMMANDS = [
  '',
  'camera',
  'camera run',
  'camera setup',
  'camera status',
  'camera ring',
  'camera ring init',
  'storage',
  'storage run',
  'storage uid',
  'storage pair',
  'storage status',
  'storage cameras',
  'storage forget',
  'storage verify',
  'storage reindex',
  'storage export',
  'storage key',
  'storage key export',
  'storage key import',
  'p2p',
  'demo',
].map((path) => path.split(' ').filter((word) => word !== ''))

test('every command has --help', async () => {
  await inTurns(COMMANDS, async (path) => {
    const { status, stdout, stderr } = await homeward([...path, '--help'])
    assert.equal([status, stderr], [0, ''])
    assert.ok(stdout.startsWith(`Usage: ${['homeward', ...path].join(' ')} `), stdout)
    assert.not.match(stdout, /undefined|\[object/)
  })
})

test('a group without a command shows its help', async () => {
  for (const path of [[], ['camera'], ['storage'], ['storage', 'key']]) {
    const { status, stdout, stderr } = await homeward(path)
    assert.equal([status, stdout], [2, ''])
    assert.match(stderr, /^Usage: homeward/)
  }
})

/** What was typed, the status, and what the one line says. */
type Case = readonly [readonly string[], 1 | 2, RegExp]

async function checkAll(cases: readonly Case[], env: Record<string, string> = {}, atOnce = 3): Promise<void> {
  const check = async ([args, status, line]: Case) => assertRefused(await homeward(args, { env }), status, line)
  await inTurns(cases, check, atOnce)
}

test('arguments that no command takes', async () => {
  await checkAll([
    [['bogus'], 2, /unknown command "bogus"\. See: homeward --help$/],
    [['camera', 'statsu'], 2, /camera: unknown command "statsu"\. Did you mean status\? See: homeward camera --help$/],
    [['camera', 'run', '--bogus'], 2, /camera run: unknown option "--bogus"\. See: homeward camera run --help$/],
    [['camera', 'status', 'extra'], 2, /camera status: too many arguments/],
    [['camera', 'setup'], 2, /camera setup: missing required argument "code"/],
    [['camera', 'run', '--source'], 2, /option "--source <SPEC>" argument missing/],
    [['storage', 'export'], 2, /storage export: required option "--camera <C>" not specified/],
    [['storage', 'pair', '--ttl', 'soon'], 2, /--ttl: "soon" is not valid, expected a whole number from 1 to 86400/],
    [['storage', 'pair', '--ttl', '0'], 2, /--ttl: "0"/],
    [['demo', '--cameras', '0'], 2, /--cameras: "0" is not valid, expected a whole number from 1 to 16/],
    [['demo', '--seconds', 'x'], 2, /--seconds: "x"/],
    [['demo', '--source', 'nope'], 2, /source "nope" is of no known kind\. Possible are: v4l2/],
    [['demo', '--dir', '/proc/homeward'], 2, /--dir: \/proc\/homeward cannot be made \(ENOENT\)/],
  ])
})

test('with --json every refusal is an object', async () => {
  const cases: [string[], 1 | 2, string][] = [
    [['bogus', '--json'], 2, 'USAGE'],
    [['camera', '--json'], 2, 'USAGE'],
    [['camera', 'status', 'extra', '--json'], 2, 'USAGE'],
    [['storage', 'export', '--json'], 2, 'USAGE'],
    [['camera', 'setup', 'hello', '--json'], 2, 'SETUP_CODE_INVALID'],
    [['camera', 'status', '--state', '/nonexistent', '--json'], 1, 'AGENT_NOT_RUNNING'],
    [['camera', 'ring', 'init', '/proc/homeward', '--json'], 2, 'CONFIG_INVALID'],
    [['storage', 'key', 'import', '/nonexistent', '--state', '/proc/homeward', '--json'], 2, 'CONFIG_INVALID'],
  ]
  await inTurns(cases, async ([args, status, code]) => assertRefusedJson(await homeward(args), status, code))
})

test('commands without a running agent', async ({ folder }: Context) => {
  const state = join(folder, 'nobody')
  const span = ['--camera', 'c', '--from', '2026-05-01', '--to', '2026-05-02', '--out', join(folder, 'x.mp4')]
  const asked = [['pair'], ['status'], ['cameras'], ['forget', 'x'], ['verify'], ['export', ...span]]
  const cases: Case[] = [
    ...asked.map(
      (args): Case => [['storage', ...args, '--state', state], 1, /is not running\. Start it, or name its state/],
    ),
    [['camera', 'status', '--state', state], 1, /is not running\. Start it/],
    [['camera', 'ring', '--state', state], 1, /is not running\. Start it/],
  ]
  await checkAll(cases)
  assert.not.ok((await readdir(folder)).includes('nobody'), 'asking makes no state folder')
})

test('setup codes', async ({ folder }: Context) => {
  const code = formatSetupCode({ storage: createIdentity().publicKey, token: new Uint8Array(16), addresses: [] })
  const typo = code.slice(0, 30) + (code[30] === 'A' ? 'B' : 'A') + code.slice(31)
  const setUp = (text: string, line: RegExp): Case => [['camera', 'setup', text, '--state', join(folder, 'c')], 2, line]
  await checkAll([
    setUp(typo, /not a usable setup code: it holds a typo\. Copy the whole code again/),
    setUp(code.slice(0, -5), /it is incomplete: 5 of \d+ characters are missing\. Copy the whole code again/),
    setUp(`${code}A`, /it has 1 characters too many/),
    setUp('hello', /it does not begin with HW1/),
    setUp(`HW9${code.slice(3)}`, /it is of version 9, this camera knows version 1\. Update the camera/),
    setUp(createIdentity().uid, /This looks like a UID\. A camera needs a setup code/),
    setUp('', /it does not begin with HW1/),
  ])
  const { status, stdout } = await homeward(['camera', 'setup', code, '--state', join(folder, 'c')])
  assert.is(status, 0)
  assert.match(stdout, /^Set up for storage device .* whose agent is not running\. Start it: homeward camera run/)
})

test('settings', async ({ folder }: Context) => {
  const file = async (name: string, text: string) => {
    await writeFile(join(folder, name), text)
    return join(folder, name)
  }
  const run = (...args: string[]) => ['camera', 'run', '--state', join(folder, 'c'), ...args]
  await checkAll([
    [
      run('--config', await file('a.toml', 'log-level = "info"\nsource = fake\n')),
      2,
      /a\.toml, line 2, column 10: not valid TOML: .*quotes/,
    ],
    [
      run('--config', await file('b.toml', 'sauce = "fake"\n')),
      2,
      /b\.toml: unknown key "sauce"\. Known keys: state, log-level, source/,
    ],
    [
      run('--config', await file('c.toml', 'ring-size = true\n')),
      2,
      /c\.toml: ring-size: true is not valid, expected a number of bytes/,
    ],
    [run('--config', await file('d.toml', 'source = 7\n')), 2, /d\.toml: source: 7 is not valid, expected some text/],
    [run('--config', join(folder, 'none.toml')), 2, /none\.toml does not exist/],
    [run('--config', folder), 2, /cannot be read \(EISDIR\)/],
    [run('--ring-size', '5'), 2, /--ring-size: "5" is not valid, expected .* at least 64\.0 MiB/],
    [run('--p2p', 'server'), 2, /--p2p: "server" is not valid, expected HOST:PORT, such as/],
    [run('--listen', '1.2.3.4:70000'), 2, /--listen: "1\.2\.3\.4:70000" is not valid/],
    [run('--log-level', 'loud'), 2, /--log-level: "loud" is not valid, expected one of trace/],
    [['storage', 'run', '--p2p-key', 'ABC'], 2, /--p2p-key: "ABC" is not valid, expected a key as text/],
    [run('--p2p-tls', 'server'), 2, /--p2p-tls: "server" is not valid, expected HOST:PORT, such as/],
    [['storage', 'run', '--p2p-tls', 'server.example:443'], 2, /--p2p-tls without --p2p: .*Give both, or neither/],
    [['storage', 'run', '--min-free', '-1'], 2, /--min-free: "-1" is not valid/],
  ])
})

test('a camera that cannot film', async ({ folder }: Context) => {
  const ring = join(folder, 'film-card')
  await initRing(new RealDisk(), ring)
  let cameras = 0
  // They run at the same time, and no two may share a state folder.
  const run = (source: string) => {
    cameras += 1
    return ['camera', 'run', '--state', join(folder, `film${cameras}`), '--ring', ring, '--source', source]
  }
  await checkAll([
    [run('foo'), 2, /source "foo" is of no known kind\. Possible are/],
    [run('test:h266'), 2, /"h266" is no codec, expected h264 or h265/],
    [run('fake:fps=x'), 2, /fps is "x", expected frames per second/],
    [run('v4l2:video0'), 2, /names no device, expected a path as in v4l2:\/dev\/video0/],
    [run('rtsp://'), 2, /is not an address, expected rtsp:/],
    [run('file:'), 2, /names no file, expected file:CLIP\.mp4/],
  ])
  const missing = /ffmpeg was not found: .*Install it: sudo apt-get/
  await checkAll([[run('test'), 1, missing]], { HOMEWARD_FFMPEG: '/nonexistent' })
  await checkAll([[run('v4l2:/dev/video0'), 1, missing]], { PATH: folder })
  await checkAll([[['demo'], 1, /ffmpeg was not found: .*or film without it: homeward demo --source fake$/]], {
    PATH: folder,
  })
})

test('a ring that is none', async ({ folder }: Context) => {
  const at = (name: string) => join(folder, name)
  await mkdir(at('empty'))
  await mkdir(at('damaged'))
  await writeFile(join(at('damaged'), 'ring.json'), '{')
  await mkdir(at('newer'))
  await writeFile(join(at('newer'), 'ring.json'), '{"version":2}')
  await writeFile(at('file'), '')
  const run = (ring: string) => [
    ...['camera', 'run', '--state', at(`${ring}-state`), '--ring', at(ring), '--source', 'fake'],
  ]
  await initRing(new RealDisk(), at('made'))
  await checkAll([
    [
      run('empty'),
      1,
      /empty is not marked as a ring\. Is the card mounted there\? To start a ring on it: homeward camera ring init/,
    ],
    [run('nowhere'), 1, /nowhere is not marked as a ring/],
    [run('damaged'), 1, /the marker in .*damaged is damaged/],
    [run('newer'), 1, /is not one of version 1: .*A newer version of homeward may have made it/],
    [run('file'), 1, /file is not marked as a ring/],
    [['camera', 'ring', 'init', at('made')], 1, /is marked as a ring already; it is left as it is\. Use it as it is/],
    [['camera', 'ring', 'init', at('file')], 2, /cannot be made a ring \(EEXIST\)\. Name a folder on the mounted card/],
    [
      ['camera', 'ring', 'init', at('small'), '--size', '3MB'],
      2,
      /--size: "3MB" is not valid, expected .* at least 64\.0 MiB/,
    ],
  ])
  assert.equal(await readdir(at('empty')), [], 'an unmarked folder is left alone')
})

test('a root that is none', async ({ folder }: Context) => {
  const at = (name: string) => join(folder, name)
  await mkdir(at('full'))
  await writeFile(join(at('full'), 'diary.txt'), '')
  await writeFile(at('plain'), '')
  const run = (root: string, state: string) => [
    'storage',
    'run',
    '--root',
    at(root),
    '--state',
    at(state),
    '--listen',
    '127.0.0.1:0',
  ]
  await checkAll([
    [run('full', 's1'), 1, /full has no homeward\.json, but diary\.txt\. It is not the root of an archive/],
    [run('plain', 's2'), 1, /plain/],
    [
      ['storage', 'run', '--root', '/proc/homeward', '--state', at('s3'), '--listen', '127.0.0.1:0'],
      1,
      /\/proc\/homeward/,
    ],
  ])
  assert.equal(await readdir(at('full')), ['diary.txt'])
})

test('a state folder that cannot be', async ({ folder }: Context) => {
  const file = join(folder, 'a-file')
  await writeFile(file, '')
  const long = join(folder, 'x'.repeat(120))
  const hint = /Choose another one with --state, or run as a user who may write there/
  const programs = [
    ['camera', 'run', '--source', 'fake'],
    ['storage', 'run'],
    ['p2p', '--listen', '127.0.0.1:0'],
  ]
  await checkAll(
    programs.flatMap((program): Case[] => [
      [[...program, '--state', join(file, 'state')], 2, /cannot be used \(ENOTDIR\)/],
      [[...program, '--state', file], 2, hint],
      [[...program, '--state', '/proc/homeward'], 2, hint],
      [[...program, '--state', long], 2, /is longer than 107 bytes\. Choose a state folder with a shorter path/],
    ]),
  )
})

test('a key that is not to be had', async ({ folder }: Context) => {
  const at = (name: string) => join(folder, name)
  await writeFile(at('good'), 'a long enough passphrase\n')
  await writeFile(at('wrong'), 'another long passphrase\n')
  await writeFile(at('short'), 'abc\n')
  const key = (command: string, ...args: string[]) => ['storage', 'key', command, ...args, '--state', at('key')]
  const { backup } = await answerOf<{ backup: string }>(key('export', '--passphrase-file', at('good')))
  await writeFile(at('backup'), backup)
  await writeFile(at('half'), backup.slice(0, backup.length / 2))
  const { uid } = await answerOf<{ uid: string }>(['storage', 'uid', '--state', at('key')])
  const cases: Case[] = [
    [key('export'), 2, /a passphrase is needed.*--passphrase-file FILE/],
    [key('export', '--passphrase-file', at('none')), 2, /none cannot be read \(ENOENT\)/],
    [
      key('export', '--passphrase-file', at('short')),
      2,
      /a passphrase has 8 characters or more\. Take four or five words/,
    ],
    [key('import', at('backup'), '--passphrase-file', at('wrong')), 1, /passphrase/],
    [key('import', at('half'), '--passphrase-file', at('good')), 1, /backup/],
    [key('import', at('none'), '--passphrase-file', at('good')), 2, /none cannot be read \(ENOENT\)/],
  ]
  // One after the other: a state folder is for one program at a time.
  await checkAll(cases, {}, 1)
  await answerOf(['storage', 'uid', '--state', at('other')])
  const other = ['storage', 'key', 'import', at('backup'), '--passphrase-file', at('good'), '--state', at('other')]
  await checkAll([[other, 1, /--replace/]])
  const again = await answerOf<{ uid: string }>(key('import', at('backup'), '--passphrase-file', at('good')))
  assert.is(again.uid, uid)
})

test.run()
