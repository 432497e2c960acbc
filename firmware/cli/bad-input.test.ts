// time-out: 180 s
/** Whatever a person gets wrong ends in one line that says what and what to do, with exit status 1 or 2. Real programs. */
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TestHome } from './test-home.ts'

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

interface Outcome {
  readonly status: number | null
  readonly out: string
  readonly err: string
}

function homeward(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...environment } })
    let out = ''
    let err = ''
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString()
    })
    child.on('close', (status) => resolve({ status, out, err }))
  })
}

/** One line of a person's kind, from `homeward:`, that names what was wrong and what to do. */
async function fails(
  status: number,
  expected: RegExp,
  args: readonly string[],
  environment?: NodeJS.ProcessEnv,
): Promise<void> {
  const outcome = await homeward(args, environment)
  const lines = outcome.err.trimEnd().split('\n')
  const said = lines.filter((line) => line.startsWith('homeward: '))
  const what = `homeward ${args.join(' ')}: ${outcome.err}`
  assert.is(outcome.status, status, what)
  assert.is(said.length, 1, what)
  assert.match(said[0] ?? '', expected, what)
}

let folder = ''
const at = (...parts: string[]) => join(folder, ...parts)

test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'homeward-'))
})
test.after(() => rm(folder, { recursive: true, force: true }))

test('settings, sources, codes, folders', async () => {
  await writeFile(at('wrong-type.toml'), 'ring = 5\n')
  await writeFile(at('syntax.toml'), 'source = "fake"\nring = \n')
  await writeFile(at('unknown.toml'), 'rings = "x"\n')
  await mkdir(at('occupied'))
  await writeFile(at('occupied', 'letter.txt'), 'x')
  const camera = ['--state', at('camera')]
  const storage = ['--state', at('storage'), '--listen', '127.0.0.1:0']
  const cases: [number, RegExp, string[]][] = [
    [2, /unknown command "film"/, ['film']],
    [
      2,
      /incomplete: \d+ of \d+ characters are missing.*Copy the whole code again/,
      ['camera', 'setup', 'HW1AEFG', ...camera],
    ],
    [2, /does not begin with HW1/, ['camera', 'setup', 'hello', ...camera]],
    [2, /source "telescope" is of no known kind.*v4l2:/, ['camera', 'run', '--source', 'telescope', ...camera]],
    [2, /--ring-size: "lots".*such as 64GiB/, ['camera', 'run', '--ring-size', 'lots', ...camera]],
    [2, /wrong-type\.toml: ring: 5 is not valid/, ['camera', 'run', '--config', at('wrong-type.toml'), ...camera]],
    [2, /syntax\.toml.*line 2/, ['camera', 'run', '--config', at('syntax.toml'), ...camera]],
    [2, /unknown key "rings".*Known keys/, ['camera', 'run', '--config', at('unknown.toml'), ...camera]],
    [2, /does not exist/, ['camera', 'run', '--config', at('nowhere.toml'), ...camera]],
    [
      1,
      /occupied has no homeward\.json.*choose an empty folder/,
      ['storage', 'run', '--root', at('occupied'), ...storage],
    ],
    [2, /--p2p: "server".*HOST:PORT/, ['storage', 'run', '--root', at('root'), '--p2p', 'server', ...storage]],
    [
      2,
      /--from: "noon" is not a time/,
      [
        'storage',
        'export',
        '--camera',
        'x',
        '--from',
        'noon',
        '--to',
        'noon',
        '--out',
        at('x.mp4'),
        '--state',
        at('storage'),
      ],
    ],
    [1, /not running.*--state/, ['storage', 'pair', '--state', at('storage')]],
    [1, /not running.*--state/, ['camera', 'status', ...camera]],
  ]
  for (const [status, expected, args] of cases) await fails(status, expected, args)
})

test('--json answers errors as JSON, with the same status', async () => {
  const { status, out } = await homeward(['storage', 'cameras', '--json', '--state', at('storage')])
  assert.is(status, 1)
  const { error } = JSON.parse(out) as { error: { code: string; message: string; hint: string } }
  assert.is(error.code, 'AGENT_NOT_RUNNING')
  assert.ok(error.message.length > 0 && error.hint.length > 0)
})

test('every command has --help', async () => {
  const commands = [
    '',
    'p2p',
    'demo',
    'storage',
    'storage run',
    'storage uid',
    'storage pair',
    'storage cameras',
    'storage forget',
  ]
  commands.push(
    'storage verify',
    'storage reindex',
    'storage export',
    'storage key',
    'storage key export',
    'storage key import',
  )
  commands.push('camera', 'camera run', 'camera setup', 'camera status', 'camera ring', 'camera ring init')
  for (const command of commands) {
    const { status, out } = await homeward([...command.split(' ').filter((word) => word !== ''), '--help'])
    assert.is(status, 0, command)
    assert.match(out, /Usage: homeward/, command)
  }
})

test('codes and agents that are used twice, cameras and spans that are not there', async () => {
  const home = await TestHome.create()
  try {
    await home.startServer()
    const storage = await home.startStorage()
    const source = 'fake:fps=30,gop=10,size=128x64,bitrate=400000'
    await home.startCamera('one', source)
    const { setupCode } = (await storage.call('pair', { name: 'one' })) as { setupCode: string }
    await home.program('one').call('setup', { code: setupCode, name: 'one' })
    await home.until('one', 'storing', ({ seq }) => seq.acked > 1)
    const state = (name: string) => ['--state', join(home.folder, name)]
    const span = (from: string, to: string) => ['--from', from, '--to', to, '--out', at('span.mp4')]
    const typo = `${setupCode.slice(0, 40)}${setupCode[40] === 'A' ? 'B' : 'A'}${setupCode.slice(41)}`
    await fails(2, /not a usable setup code/, ['camera', 'setup', typo, ...state('one')])
    await fails(1, /"nobody" is no camera here.*Known: one/, ['storage', 'forget', 'nobody', ...state('storage')])
    await fails(1, /span|footage|nothing/i, [
      'storage',
      'export',
      '--camera',
      'one',
      ...span('2020-01-01', '2020-01-02'),
      ...state('storage'),
    ])
    const running = ['storage', 'run', '--root', home.disk, '--listen', '127.0.0.1:0']
    await fails(1, /another|running|in use/i, [...running, ...state('storage')])
    await fails(1, /another|running|in use/i, [...running, ...state('storage-2')])

    // The used code lets nobody else in, and the owner is told.
    await home.startCamera('two', source)
    await home.program('two').call('setup', { code: setupCode, name: 'two' })
    const refused = async () => {
      const { refusals } = (await storage.call('cameras')) as { refusals: { why: string }[] }
      return refusals.some(({ why }) => why === 'TOKEN_USED')
    }
    for (let tries = 0; !(await refused()); tries++) {
      assert.ok(tries < 100, 'the refused camera is listed')
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    assert.is((await home.status('two')).seq.acked, 0)

    // A new code for the same storage device is all it needs, and nothing that it kept meanwhile is lost.
    await home.pair('two')
    const drained = await home.drain('two')
    assert.is(drained.seq.lost, 0)
  } finally {
    await home.close()
  }
})

test('another storage device while footage waits', async () => {
  const home = await TestHome.create()
  const other = await TestHome.create()
  try {
    await home.startServer()
    await home.startStorage()
    await other.startServer()
    await other.startStorage()
    await home.startCamera('camera', 'fake:fps=30,gop=10,size=128x64,bitrate=400000')
    await home.pair('camera')
    await home.until('camera', 'storing', ({ seq }) => seq.acked > 1)
    const storage = home.program('storage')
    storage.signal('SIGKILL')
    await storage.exited
    await home.until('camera', 'waiting', ({ ring }) => ring.unackedBytes > 0)
    const { setupCode } = (await other.program('storage').call('pair', { name: 'camera' })) as { setupCode: string }
    const setup = ['camera', 'setup', setupCode, '--state', join(home.folder, 'camera')]
    await fails(1, /not safe.*--discard/, setup)
    assert.is((await homeward([...setup, '--discard'])).status, 0)
    await home.until('camera', 'storing elsewhere', ({ state, seq }) => state === 'connected' && seq.acked > 1)
  } finally {
    await home.close()
    await other.close()
  }
})

test('no ffmpeg: the exact command to get it', async () => {
  const home = await TestHome.create()
  try {
    await home.startServer()
    await home.startStorage()
    const { setupCode } = (await home.program('storage').call('pair', {})) as { setupCode: string }
    const state = ['--state', join(home.folder, 'camera')]
    assert.is((await homeward(['camera', 'ring', 'init', home.ring('camera')])).status, 0)
    assert.is((await homeward(['camera', 'setup', setupCode, ...state, '--ring', home.ring('camera')])).status, 0)
    const run = [
      'camera',
      'run',
      '--source',
      'test',
      '--ring',
      home.ring('camera'),
      '--listen',
      '127.0.0.1:0',
      ...state,
    ]
    await fails(1, /apt-get install.*ffmpeg/, run, { HOMEWARD_FFMPEG: '/nonexistent/ffmpeg' })
  } finally {
    await home.close()
  }
})

test.run()
