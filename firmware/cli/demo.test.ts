// time-out: 150 s
/** The demo from its first line to its last, and Ctrl-C at every stage: nothing is left running. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Answer, assertRefused, CommandRun, homeward } from './command-fixture.ts'
import { processesWith } from './process-fixture.ts'

const FAKE = 'fake:fps=30,gop=10,size=128x64,bitrate=800000'
const test = suite('demo', { folder: '' })

test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), 'homeward-'))
})
test.after.each(async ({ folder }) => {
  assert.equal(await processesWith(folder), [], 'nothing is left running')
  await rm(folder, { recursive: true, force: true })
})

const demo = (folder: string, ...flags: string[]) => ['demo', '--dir', folder, ...flags]
const last = ({ stdout }: Answer, lines: number) => stdout.trimEnd().split('\n').slice(-lines)

function assertStored({ status, stdout, stderr }: Answer, files: RegExp): void {
  assert.equal([status, stderr], [0, ''], stdout)
  const lines = stdout.trimEnd().split('\n')
  const counts = /^captured (\d+) · ACKed (\d+) · on card 0 B$/.exec(lines.at(-3) ?? '')
  assert.ok(counts !== null && Number(counts[1]) > 0 && counts[1] === counts[2], lines.at(-3))
  assert.match(lines.at(-2) ?? '', files)
  assert.match(lines.at(-1) ?? '', /^Play the latest with: ffplay ".*\.mp4" {3}\(or any player/)
}

test('three cameras for some seconds, then the same folder again', async ({ folder }) => {
  const first = await homeward(demo(folder, '--source', FAKE, '--cameras', '3', '--seconds', '10'))
  assertStored(first, /^[3-6] files under .*disk$/)
  const lines = first.stdout.split('\n')
  assert.match(lines[0] ?? '', /^Everything of this demo is kept in /)
  assert.match(lines[1] ?? '', /^P2P server {6}up on 127\.0\.0\.1:\d+$/)
  assert.match(lines[2] ?? '', /^Storage device {2}up, UID ([A-Z2-7]{7}-){7}[A-Z2-7]{7}$/)
  assert.match(lines[5] ?? '', /^Camera 3 {8}up, set up with a code of storage, filming fake/)
  assert.match(lines[6] ?? '', /^Page {12}http:\/\/127\.0\.0\.1:\d+\/, first visit with the code (\w{4}-){3}\w{4}$/)
  assert.match(first.stdout, /\npath [a-z-]+(?:, [a-z-]+)* · captured \d+ · ACKed \d+ · on card .* · disk .*\n/)
  assert.not.ok(first.stdout.includes('\u001b'), 'no terminal, no escape codes')
  const again = await homeward(demo(folder, '--source', FAKE, '--cameras', '3', '--seconds', '10'))
  assertStored(again, /^(?:[6-9]|1[0-2]) files under .*disk$/)
})

for (const source of ['test', 'test:h265']) {
  test(`${source} through ffmpeg`, async ({ folder }) => {
    const answer = await homeward(
      demo(folder, '--source', `${source}${source === 'test' ? ':' : ','}size=128x64`, '--seconds', '9'),
    )
    assertStored(answer, /^[12] files? under /)
    const file = /ffplay "(.*)" {3}/.exec(last(answer, 1)[0] ?? '')?.[1] ?? ''
    const kind = (await readFile(file)).includes(source === 'test' ? 'avc1' : 'hvc1')
    assert.ok(kind, 'the codec that was asked for')
  })
}

const STAGES = [
  'Everything of this demo',
  'P2P server ',
  'Storage device ',
  'Camera ',
  'Ctrl-C ends it',
  'ACKed',
  'Stopping',
]

for (const stage of STAGES) {
  test(`Ctrl-C at "${stage}"`, async ({ folder }) => {
    const run = new CommandRun(demo(folder, '--source', FAKE, ...(stage === 'Stopping' ? ['--seconds', '4'] : [])))
    await run.printed(stage)
    const answer = await run.end('SIGINT')
    assert.equal([answer.status, answer.stderr], [0, ''], answer.stdout)
    assert.match(
      last(answer, 1)[0] ?? '',
      /^(Play the latest with: |No footage was stored\. What the programs said is in )/,
    )
    assert.ok(answer.tookMs < 15_000)
  })
}

test('whoever reads the output goes away', async ({ folder }) => {
  const run = new CommandRun(demo(folder, '--source', FAKE))
  await run.printed('Ctrl-C ends it')
  run.child.stdout?.destroy()
  assert.is((await run.done).status, 0)
})

test('a terminal that is closed', async ({ folder }) => {
  const run = new CommandRun(demo(folder, '--source', FAKE))
  await run.printed('ACKed')
  assert.is((await run.end('SIGHUP')).status, 0)
})

test('a program that dies, and a folder that is in use', async ({ folder }) => {
  const run = new CommandRun(demo(folder, '--source', FAKE))
  await run.printed('ACKed')
  const second = await homeward(demo(folder, '--source', FAKE))
  assertRefused(second, 1, /another demo is running in .*Stop it first, or choose another folder with --dir\.$/)
  const [storage] = await pidsOf(join(folder, 'storage '))
  process.kill(storage ?? 0, 'SIGKILL')
  const { status, stderr } = await run.done
  assert.is(status, 1)
  assert.match(stderr, /^homeward: storage ended by itself\. Its log: .*storage\.log\n$/)
})

test('a source that is not there ends it at once', async ({ folder }) => {
  const { status, stderr, stdout } = await homeward(demo(folder, '--source', `file:${folder}/none.mp4`))
  assert.is(status, 1)
  assert.match(stderr, /^homeward: source .*none\.mp4 is not there\. Check the path\.\n$/)
  assert.match(stdout, /No footage was stored/)
})

test('without ffmpeg nothing is started', async ({ folder }) => {
  const env = { HOMEWARD_FFMPEG: '/nonexistent' }
  assertRefused(
    await homeward(demo(folder, '--source', 'test'), { env }),
    1,
    /or film without it: homeward demo --source fake$/,
  )
})

async function pidsOf(text: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return pids.filter((_pid, at) => `${lines[at]} `.replaceAll('\0', ' ').includes(`--state ${text}`)).map(Number)
}

test.run()
