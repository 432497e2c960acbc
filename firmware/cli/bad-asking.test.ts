// time-out: 120 s
/** What can be asked wrongly of a home that runs, and second agents beside the first: one line each, and nothing changed. */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { answerOf, assertRefused, assertRefusedJson, CommandRun, homeward, inTurns } from './command-fixture.ts'
import { type CameraStatus, TestHome } from './test-home.ts'

const SOURCE = 'fake:fps=30,gop=10,size=128x64,bitrate=800000'

interface Context {
  home: TestHome
  /** A span with footage in it. */
  from: string
  to: string
}

const test = suite<Context>('bad asking')

test.before(async (context) => {
  const home = await TestHome.create()
  context.home = home
  context.from = new Date(Date.now() - 60_000).toISOString()
  await home.startServer()
  await home.startStorage()
  await home.startCamera('camera', SOURCE)
  await home.pair('camera')
  await home.until('camera', 'storing', ({ seq }) => seq.acked > 5)
  context.to = new Date(Date.now() + 60_000).toISOString()
})
test.after(({ home }) => home.close())

const state = (home: TestHome, name: string) => ['--state', join(home.folder, name)]

test('cameras that are not known', async ({ home, from, to }) => {
  const at = state(home, 'storage')
  const line = /"nobody" is no camera here\. Known: camera \([A-Z2-7]{7}\)\.$/
  const span = ['--from', from, '--to', to, '--out', join(home.folder, 'x.mp4')]
  const asked = [
    ['forget', 'nobody'],
    ['verify', '--camera', 'nobody'],
    ['export', '--camera', 'nobody', ...span],
  ]
  await inTurns(asked, async (args) => {
    assertRefused(await homeward(['storage', ...args, ...at]), 1, line)
    assertRefusedJson(await homeward(['storage', ...args, ...at, '--json']), 1, 'CAMERA_UNKNOWN')
  })
})

test('exports that cannot be', async ({ home, from, to }) => {
  const out = (name: string) => join(home.folder, name)
  await writeFile(out('there.mp4'), 'mine')
  const base = ['storage', 'export', ...state(home, 'storage'), '--camera', 'camera']
  const span = (first: string, last: string, file = out('x.mp4')) => [
    ...base,
    '--from',
    first,
    '--to',
    last,
    '--out',
    file,
  ]
  const cases: [string[], 1 | 2, RegExp][] = [
    [span('yesterday', to), 2, /--from: "yesterday" is not a time, expected such as 2026-05-01T12:00:00Z/],
    [span(from, '2026-02-30'), 2, /--to: "2026-02-30" is not a time/],
    [span(to, from), 2, /--from: .* is not before --to: /],
    [span('2020-01-01', '2020-01-02'), 1, /there is no footage from 2020-01-01T.*The nearest footage begins again at /],
    [
      span(from, to, out('there.mp4')),
      2,
      /there\.mp4 exists already\. Choose another name, or write over it with --replace/,
    ],
    [span(from, to, out('none/x.mp4')), 2, /the folder .*none does not exist\. Make it first/],
    [span(from, to, home.folder), 2, /is no ordinary file\. Name a file to be made/],
  ]
  await inTurns(cases, async ([args, status, line]) => assertRefused(await homeward(args), status, line))
  assert.is(await readFile(out('there.mp4'), 'utf8'), 'mine')
  const written = await homeward([...span(from, to, out('there.mp4')), '--replace'])
  assert.is(written.status, 0, written.stderr)
  assert.match(written.stdout, /^.*there\.mp4: \d+ s, \d+ fragments, /)
  assert.equal(
    (await readdir(home.folder)).filter((name) => name.includes('.partial')),
    [],
  )
})

test('answers that a program reads', async ({ home, from, to }) => {
  const storage = (...args: string[]) => ['storage', ...args, ...state(home, 'storage')]
  const camera = (...args: string[]) => ['camera', ...args, ...state(home, 'camera')]
  const { uid } = await answerOf<{ uid: string }>(storage('uid'))
  const status = await answerOf<{ uid: string; alarm: null; p2p: { state: string } }>(storage('status'))
  assert.equal([status.uid, status.alarm, status.p2p.state], [uid, null, 'registered'])
  const pair = await answerOf<{ setupCode: string; uid: string; expiresAt: string }>(storage('pair', '--ttl', '60'))
  assert.match(pair.setupCode, /^HW1[A-Z2-7]+$/)
  assert.is(pair.uid, uid)
  assert.ok(Date.parse(pair.expiresAt) > Date.now())
  const { cameras } = await answerOf<{ cameras: { name: string; connected: boolean }[] }>(storage('cameras'))
  assert.equal([cameras.length, cameras[0]?.name, cameras[0]?.connected], [1, 'camera', true])
  assert.is((await answerOf<{ ok: boolean }>(storage('verify', '--deep'))).ok, true)
  const out = join(home.folder, 'json.mp4')
  const span = ['--camera', 'camera', '--from', from, '--to', to, '--out', out]
  assert.ok((await answerOf<{ fragments: number }>(storage('export', ...span))).fragments > 0)
  assert.ok((await answerOf<{ fragments: number }>(storage('reindex'))).fragments > 0)
  const filming = await answerOf<CameraStatus>(camera('status'))
  assert.equal([filming.provisioned, filming.state, filming.path], [true, 'connected', 'lan'])
  assert.is((await answerOf<{ card: string }[]>(camera('ring')))[0]?.card, 'ok')
})

test('the same for a person', async ({ home }) => {
  const cases: [string[], RegExp][] = [
    [
      ['storage', 'status', ...state(home, 'storage')],
      /^Storage {3}.*\nListens .*\nDisk .* fragments, .* free\nRoom {6}.* left alone\n(?:.*\n)*P2P {7}registered(?:, .*NAT.*)?\n$/,
    ],
    [['storage', 'cameras', ...state(home, 'storage')], /^camera {2}[A-Z2-7]{7} {2}lan {2}.* last footage /],
    [['storage', 'verify', ...state(home, 'storage')], /All of it is sound\.\n$/],
    [['storage', 'reindex', ...state(home, 'storage')], /^The index is rebuilt: \d+ fragments in \d+ files/],
    [
      ['camera', 'status', ...state(home, 'camera')],
      /^Camera {4}camera .*\nStorage .*\nLink {6}connected, path lan\n(?: {10}.*\n)+Footage .*\nCard {6}in use/,
    ],
    [['camera', 'ring', ...state(home, 'camera')], /^Card \(log [0-9a-f]{16}\): room for /],
  ]
  await inTurns(cases, async ([args, text]) => {
    const { status, stdout, stderr } = await homeward(args)
    assert.equal([status, stderr], [0, ''])
    assert.match(stdout, text)
  })
})

test('a second agent on the same state, ring, root or port', async ({ home }) => {
  const { listen } = (await home.program('storage').call('status')) as { listen: { port: number } }
  const server = (await home.program('p2p').call('status')) as { listen: { port: number } }
  const at = (name: string) => join(home.folder, name)
  await mkdir(at('fresh-root'))
  const storage = (folder: string, root: string, port: number) => [
    ...['storage', 'run', '--state', at(folder), '--root', root, '--listen', `127.0.0.1:${port}`],
  ]
  const camera = (folder: string, ring: string, port = 0) => [
    ...['camera', 'run', '--state', at(folder), '--ring', ring, '--source', 'fake', '--listen', `127.0.0.1:${port}`],
  ]
  const running =
    /another agent is running with the state folder .*Stop it first, or give this one a folder of its own with --state/
  const taken = /127\.0\.0\.1, port \d+ is taken by another program\. Choose another port, or stop the other program/
  // Known to it, as to the one that runs: a camera that knows its card waits for it, but not for another agent's.
  await mkdir(at('camera-2'))
  const { setupCode } = (await home.program('storage').call('pair')) as { setupCode: string }
  assert.is((await homeward(['camera', 'setup', setupCode, '--state', at('camera-2')])).status, 0)
  await writeFile(join(at('camera-2'), 'card-known'), home.ring('camera'))
  const cases: [string[], 1 | 2, RegExp][] = [
    [storage('storage', home.disk, 0), 1, running],
    [camera('camera', home.ring('camera')), 1, running],
    [['p2p', '--state', at('p2p'), '--listen', '127.0.0.1:0'], 1, running],
    [
      storage('storage-2', home.disk, 0),
      1,
      /the archive is in use by process \d+\. Stop that agent first, or give this one another root/,
    ],
    [
      camera('camera-2', home.ring('camera')),
      1,
      /another process uses the ring in .*Stop the other agent first, or give this one a ring/,
    ],
    [storage('storage-3', at('fresh-root'), listen.port), 1, taken],
    [camera('camera-3', home.ring('camera'), listen.port), 1, taken],
    [['p2p', '--state', at('p2p-2'), '--listen', `127.0.0.1:${server.listen.port}`], 1, taken],
    [
      ['p2p', '--state', at('p2p-3'), '--listen', '192.0.2.1:7440'],
      2,
      /cannot listen on 192\.0\.2\.1.*must be one of this machine/,
    ],
    [['storage', 'key', 'import', '/etc/hostname', '--state', at('storage')], 1, running],
  ]
  await inTurns(cases, async ([args, status, line]) => assertRefused(await homeward(args), status, line))
  assert.equal(await readdir(at('fresh-root')), [], 'a start that failed has bound no disk')
  const before = await home.status('camera')
  await home.until('camera', 'going on undisturbed', ({ seq }) => seq.acked > before.seq.acked + 3)
})

test('a root of another disk, and one that went away', async ({ home }) => {
  const at = (name: string) => join(home.folder, name)
  const run = (folder: string, root: string) => [
    'storage',
    'run',
    '--state',
    at(folder),
    '--root',
    at(root),
    '--listen',
    '127.0.0.1:0',
  ]
  const once = async (folder: string, root: string) => {
    const agent = new CommandRun(run(folder, root))
    await agent.printed('storage agent is up')
    assert.is((await agent.end('SIGTERM')).status, 0)
  }
  await once('s-a', 'root-a')
  await once('s-b', 'root-b')
  assertRefused(
    await homeward(run('s-a', 'root-c')),
    1,
    /keeps its footage in .*root-a, not in .*root-c\. Use --root .*root-a/,
  )
  await rename(at('root-a'), at('away'))
  assertRefused(
    await homeward(run('s-a', 'root-a')),
    1,
    /there is no folder .*root-a\. Connect and mount the storage disk/,
  )
  await mkdir(at('root-a'))
  assertRefused(
    await homeward(run('s-a', 'root-a')),
    1,
    /root-a is empty: .*its disk is not mounted\. Connect and mount/,
  )
  assert.equal(await readdir(at('root-a')), [], 'an empty mount point stays empty')
  await rm(at('root-a'), { recursive: true })
  await rename(at('root-b'), at('root-a'))
  assertRefused(
    await homeward(run('s-a', 'root-a')),
    1,
    /is the archive [0-9a-f]{32}, expected [0-9a-f]{32}\. Another disk is mounted/,
  )
  await rename(at('root-a'), at('root-b'))
  await rename(at('away'), at('root-a'))
  await once('s-a', 'root-a')
})

test.run()
