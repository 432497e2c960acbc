// time-out: 150 s
/**
 * Setting up that does not come to an end, and what cannot be reached: the camera says why, keeps everything, and goes on by
 * itself once it can. Moving a camera to another storage device loses nothing without a word.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseSetupCode } from '../link/setup-code.ts'
import { formatUid } from '../link/uid.ts'
import { answerOf, assertRefused, CommandRun, homeward } from './command-fixture.ts'
import { runProgram } from './media-fixture.ts'
import type { Program } from './program.ts'
import { type CameraStatus, TestHome } from './test-home.ts'

const SOURCE = 'fake:fps=30,gop=10,size=128x64,bitrate=800000'
const test = suite('bad setup', { home: undefined as unknown as TestHome })

test.before.each(async (context) => {
  context.home = await TestHome.create()
  await context.home.startServer()
  await context.home.startStorage()
})
test.after.each(({ home }) => home.close())

const state = (home: TestHome, name: string) => ['--state', join(home.folder, name)]
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function newCode(home: TestHome, ...flags: string[]): Promise<string> {
  const args = ['storage', 'pair', ...flags, ...state(home, 'storage')]
  return (await answerOf<{ setupCode: string }>(args)).setupCode
}

async function textOf(args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await homeward(args)
  assert.equal([status, stderr], [0, ''])
  return stdout
}

/** The log, once it says `text`; or as it is when that takes too long. */
async function logOf({ log }: Program, text: string): Promise<string> {
  for (const until = Date.now() + 10_000; Date.now() < until; await pause(100)) {
    const said = await readFile(log, 'utf8')
    if (said.includes(text)) return said
  }
  return readFile(log, 'utf8')
}

const count = (text: string, part: string) => text.split(part).length - 1

test('a code that was used, and one that had expired', async ({ home }) => {
  const used = await newCode(home, '--name', 'First')
  const expired = await newCode(home, '--ttl', '1')
  await Promise.all(['first', 'second', 'third'].map((name) => home.startCamera(name, SOURCE)))
  await textOf(['camera', 'setup', used, ...state(home, 'first')])
  await home.until('first', 'storing', ({ seq }) => seq.acked > 0)
  await textOf(['camera', 'setup', used, '--name', 'Second', ...state(home, 'second')])
  await pause(1500)
  await textOf(['camera', 'setup', expired, '--name', 'Third', ...state(home, 'third')])

  const doubted = (status: CameraStatus) => 'problem' in status && status.state !== 'connected'
  for (const name of ['second', 'third']) {
    await home.until(name, 'in doubt', doubted)
    const text = await textOf(['camera', 'status', ...state(home, name)])
    assert.match(
      text,
      /\n {10}the storage device has not answered this setup code yet\. The code may have expired or have been used/,
    )
    assert.ok((await home.status(name)).seq.captured > 10, 'it films meanwhile')
  }
  const cameras = await textOf(['storage', 'cameras', ...state(home, 'storage')])
  assert.match(cameras, /^First {2}/)
  assert.match(cameras, /Refused: Second \(.{7}\), its setup code was used by another camera\./)
  assert.match(cameras, /Refused: Third \(.{7}\), its setup code had expired\./)

  const log = await logOf(home.program('storage'), 'a camera was refused')
  assert.is(count(log, 'a camera was refused'), 2, 'each once')
  assert.match(log, /its setup code had expired\. Make a new one: homeward storage pair/)
  const doubt = 'has not answered this setup code yet'
  assert.is(count(await logOf(home.program('third'), doubt), doubt), 1)

  await textOf(['camera', 'setup', await newCode(home), ...state(home, 'third')])
  const { seq } = await home.drain('third')
  assert.equal([seq.lost, seq.acked], [0, seq.captured], 'what it filmed before it was known is there')
})

test('a P2P server and a storage device that are away', async ({ home }) => {
  await home.startCamera('camera', SOURCE)
  await home.pair('camera')
  await home.until('camera', 'storing', ({ seq }) => seq.acked > 3)
  for (const name of ['p2p', 'storage']) await home.program(name).stop()
  // Between two tries it is looking, and the first loss is of the channel: the reason comes with the first try that failed.
  const why =
    /\n {10}no answer from .*, and the P2P server did not say where it is \(SERVER_UNREACHABLE\)\. The server or the way/
  let text = ''
  for (const until = Date.now() + 30_000; Date.now() < until && !why.test(text); ) {
    text = await textOf(['camera', 'status', ...state(home, 'camera')])
  }
  assert.match(text, why)
  assert.match(text, /\nLink {6}(?:not connected, next try in|looking for the storage device\n)/)
  assert.match(text, / wait, the oldest for /)
  await logOf(home.program('camera'), 'did not say where it is')

  await home.startStorage()
  const waiting = await home.until('camera', 'connected without a server', ({ state: link }) => link === 'connected')
  assert.is(waiting.seq.lost, 0)
  const storage = async () => textOf(['storage', 'status', ...state(home, 'storage')])
  for (const until = Date.now() + 20_000; Date.now() < until && !(await storage()).includes('does not answer'); )
    await pause(200)
  assert.match(await storage(), /\nP2P {7}the P2P server 127\.0\.0\.1:\d+ does not answer\. It may be down/)
  await home.startServer()
  for (const until = Date.now() + 40_000; Date.now() < until && !(await storage()).includes('registered'); )
    await pause(500)
  assert.match(await storage(), /\nP2P {7}registered\n$/)
  const { seq } = await home.drain('camera')
  assert.equal([seq.lost, seq.acked], [0, seq.captured])

  const log = await logOf(home.program('camera'), 'did not say where it is')
  const troubles = count(log, 'did not say where it is')
  assert.ok(troubles <= 2, `told ${troubles} times`)
  assert.is(count(log, 'connected with the storage device'), 2)
  const silent = count(await logOf(home.program('storage'), 'does not answer'), 'does not answer')
  assert.ok(silent <= 2, `told ${silent} times`)
})

test('another storage device while footage waits for the first', async ({ home }) => {
  const { uid: first } = await answerOf<{ uid: string }>(['storage', 'uid', ...state(home, 'storage')])
  const camera = await home.startCamera('camera', SOURCE)
  await home.pair('camera')
  await home.until('camera', 'storing', ({ seq }) => seq.acked > 3)
  await home.program('storage').stop()
  const { seq: kept } = await home.until('camera', 'keeping', ({ seq }) => seq.captured > seq.acked + 20)

  const second = new CommandRun([
    ...['storage', 'run', '--root', join(home.folder, 'disk-2'), '--listen', '127.0.0.1:0', ...state(home, 'second')],
  ])
  try {
    await second.printed('storage agent is up')
    const { setupCode: code } = await answerOf<{ setupCode: string }>(['storage', 'pair', ...state(home, 'second')])
    const setUp = ['camera', 'setup', code, ...state(home, 'camera')]
    const waits = new RegExp(
      `\\d+ fragments for the storage device ${first} are not safe yet, and only that one can open them\\. ` +
        'Wait until they have been sent, or give them up for good with --discard\\.$',
    )
    assertRefused(await homeward(setUp), 1, waits)
    assert.ok((await home.status('camera')).seq.captured > kept.captured, 'it went on filming for the first one')
    assert.is((await answerOf<{ storage: string }>(['camera', 'status', ...state(home, 'camera')])).storage, first)

    await camera.stop()
    assertRefused(await homeward(setUp), 1, waits)
    assertRefused(
      await homeward([...setUp, '--ring', join(home.folder, 'empty')]),
      1,
      /nobody knows whether footage waits on the card/,
    )
    await home.startCamera('camera', SOURCE)

    const given = await textOf([...setUp, '--discard'])
    assert.match(given, /^Set up for storage device /)
    await home.until('camera', 'storing at the second', (status) => status.seq.acked > 5)
    await home.drain('camera')
    const report = await answerOf<{ ok: boolean; gaps: { reason: string; first: number; last: number }[] }>([
      ...['storage', 'verify', '--deep', ...state(home, 'second')],
    ])
    const discarded = report.gaps.filter(({ reason }) => reason === 'discarded')
    const fragments = discarded.reduce((sum, { first: low, last: high }) => sum + high - low + 1, 0)
    assert.ok(report.ok)
    assert.ok(fragments >= 20, `${fragments} fragments are in the ledger as given up`)
    const ring = await answerOf<{ logs: unknown[] }[]>(['camera', 'ring', ...state(home, 'camera')])
    assert.equal(ring[0]?.logs, [], 'nothing of the first is on the card any more')
  } finally {
    await second.end('SIGKILL')
  }
})

test('another storage device when all is safe, and a new code of the same one', async ({ home }) => {
  await home.startCamera('camera', SOURCE)
  await home.pair('camera')
  await home.until('camera', 'storing', ({ seq }) => seq.acked > 3)
  const again = await newCode(home, '--name', 'Renamed')
  const before = await home.status('camera')
  await textOf(['camera', 'setup', again, ...state(home, 'camera')])
  const after = await home.until('camera', 'storing on', ({ seq }) => seq.acked > before.seq.acked + 3)
  assert.ok(after.seq.captured > before.seq.captured, 'filming was not interrupted')

  const second = new CommandRun([
    ...['storage', 'run', '--root', join(home.folder, 'disk-2'), '--listen', '127.0.0.1:0', ...state(home, 'second')],
  ])
  try {
    await second.printed('storage agent is up')
    const { setupCode } = await answerOf<{ setupCode: string }>(['storage', 'pair', ...state(home, 'second')])
    await textOf(['camera', 'setup', setupCode, ...state(home, 'camera')])
    await home.until('camera', 'storing at the second', ({ seq }) => seq.acked > 5)
    const { storage } = await answerOf<{ storage: string }>(['camera', 'status', ...state(home, 'camera')])
    assert.is(storage, formatUid(parseSetupCode(setupCode).storage))
    const { gaps, ...report } = await home.verify()
    assert.equal([report.damaged, report.missing, gaps], [[], [], []], 'the first one has all that was filmed for it')
  } finally {
    await second.end('SIGKILL')
  }
})

test('a source that is missing, no film, or comes back', async ({ home }) => {
  const clip = join(home.folder, 'clip.mp4')
  await home.startCamera('missing', `file:${clip}`)
  await home.startCamera('device', 'v4l2:/dev/video-none')
  await writeFile(join(home.folder, 'notes.mp4'), 'these are notes')
  await home.startCamera('notes', `file:${join(home.folder, 'notes.mp4')}`)
  const names = ['missing', 'device', 'notes']
  for (const name of names) await home.pair(name)
  const lines: Record<string, RegExp> = {
    missing: /\nEncoder {3}waiting, \d+ restarts?\n {10}source .*clip\.mp4 is not there\. Check the path\.\n$/,
    device: /source \/dev\/video-none is not there\. ls \/dev\/video\* shows the cameras that the kernel knows\.\n$/,
    notes: /notes\.mp4 cannot be read: .*Invalid data found.*\. Try the source with ffplay or ffprobe\.\n$/,
  }
  for (const name of names) {
    await home.until(name, 'waiting', (status) => (status as unknown as Waiting).encoder.restarts >= 2)
    const deadline = Date.now() + 10_000
    let text = ''
    // Between two tries the encoder is starting.
    do text = await textOf(['camera', 'status', ...state(home, name)])
    while (!text.includes('waiting') && Date.now() < deadline)
    assert.match(text, lines[name] ?? /never/)
    assert.is(count(await logOf(home.program(name), 'Trying again.'), 'Trying again.'), 1, 'told once')
  }
  const picture = ['-f', 'lavfi', '-i', 'testsrc2=size=128x64:rate=10', '-t', '2', '-c:v', 'libx264', '-g', '10']
  assert.is((await runProgram('ffmpeg', [...picture, clip])).status, 0)
  await home.until('missing', 'filming', ({ seq }) => seq.acked > 0)
  assert.match(await textOf(['camera', 'status', ...state(home, 'missing')]), /\nEncoder {3}running, /)
})

interface Waiting {
  readonly encoder: { readonly state: string; readonly restarts: number }
}

test.run()
