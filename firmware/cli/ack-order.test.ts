// time-out: 120 s
/**
 * The storage device's own system calls, under strace: a fragment counts as safe on the camera only after the fdatasync of
 * its file and of the index have worked. Seen in the order of the calls, by making them slow, and by making them fail.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type CameraStatus, frameFaults, TestHome } from './test-home.ts'

const SOURCE = 'fake:fps=50,gop=10,size=128x64,bitrate=1000000'
const GOP = 10
const SLOW_MS = 1000
const WINDOW_MS = 600_000

/** From open(2) on Linux, as /proc/PID/fdinfo shows it. */
const O_DSYNC = 0o10000

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** strace on a process that runs already, with all its threads. */
class Strace {
  readonly #child: ReturnType<typeof spawn>
  #complaints = ''

  private constructor(args: readonly string[], pid: number) {
    this.#child = spawn('strace', ['-f', ...args, '-p', `${pid}`], { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child.stderr?.on('data', (bytes: Buffer) => {
      this.#complaints += bytes.toString()
    })
  }

  /** Rejects with what strace says when it may not, or is not there. */
  static async attach(args: readonly string[], pid: number): Promise<Strace> {
    const strace = new Strace(args, pid)
    let trouble = ''
    strace.#child.once('error', (error) => {
      trouble = error.message
    })
    while (!/Process \d+ attached/.test(strace.#complaints)) {
      if (trouble !== '') throw new Error(trouble)
      if (strace.#child.exitCode !== null) throw new Error(strace.#complaints.trim())
      await pause(10)
    }
    return strace
  }

  /** The process goes on by itself. */
  async detach(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGINT')
    await exited
  }
}

async function straceTrouble(): Promise<string | undefined> {
  if (spawnSync('strace', ['--version']).error !== undefined) return 'strace is not installed'
  const sleeper = spawn('sleep', ['60'], { stdio: 'ignore' })
  try {
    const strace = await Strace.attach(['-e', 'trace=none'], sleeper.pid ?? 0)
    await strace.detach()
    return undefined
  } catch (error) {
    return `strace may not attach: ${error instanceof Error ? error.message : error}`
  } finally {
    sleeper.kill('SIGKILL')
  }
}

const trouble = await straceTrouble()
let home: TestHome | undefined
let starting: Promise<TestHome> | undefined

/** One home for all of this file: a camera whose fragments are ACKed as they come. */
async function streaming(): Promise<TestHome> {
  starting ??= start()
  const scene = await starting
  await scene.until('camera', 'storing', ({ seq }) => seq.acked > 2 && seq.acked >= seq.captured - 1)
  return scene
}

async function start(): Promise<TestHome> {
  home = await TestHome.create()
  await home.startServer()
  await home.startStorage()
  await home.startCamera('camera', SOURCE)
  await home.pair('camera')
  return home
}

/** The file that is being written stays the same one for as long as this test takes: a new window begins a new file. */
async function farFromNextWindow(): Promise<void> {
  const left = WINDOW_MS - (Date.now() % WINDOW_MS)
  if (left < 15_000) await pause(left + 500)
}

function straceTest(name: string, run: () => Promise<void>): void {
  if (trouble === undefined) {
    test(name, run)
    return
  }
  process.stdout.write(`skipped: ${name}: ${trouble}\n`)
  test.skip(name)
}

test.after(async () => {
  await home?.close()
})

interface SystemCall {
  readonly name: string
  readonly fd: number
  readonly path: string
  /** Not yet, or what it returned; the calls of one thread follow one another. */
  readonly phase: 'begin' | 'done' | 'failed'
  readonly bytes: number
}

/** Both ends of every call in strace's order; a call that nothing came between is one line. */
function parseCalls(text: string): SystemCall[] {
  const calls: SystemCall[] = []
  const open = new Map<string, SystemCall>()
  for (const line of text.split('\n')) {
    const began = /^(\d+) +(\w+)\((\d+)<([^>]*)>(.*)$/.exec(line)
    const resumed = /^(\d+) +<\.\.\. \w+ resumed>(.*)$/.exec(line)
    const [thread = '', rest = ''] = began === null ? (resumed?.slice(1) ?? []) : [began[1], began[5]]
    if (began !== null) {
      const call: SystemCall = {
        name: began[2] ?? '',
        fd: Number(began[3]),
        path: began[4] ?? '',
        phase: 'begin',
        bytes: 0,
      }
      open.set(thread, call)
      calls.push(call)
    }
    const call = open.get(thread)
    const result = /\) += (-?\d+)/.exec(rest)?.[1]
    if (call === undefined || result === undefined) continue
    open.delete(thread)
    calls.push({ ...call, phase: Number(result) < 0 ? 'failed' : 'done', bytes: Number(result) })
  }
  return calls
}

test("strace's lines are read, also when calls of two threads cross", () => {
  const text = [
    '7 pwritev(24</disk/a.mp4>, [{iov_base="\\0uuid"..., iov_len=204}], 1, 300) = 204',
    '7 fdatasync(24</disk/a.mp4> <unfinished ...>',
    '8 pwrite64(18</disk/data.mdb>, "\\2\\0"..., 4096, 8192) = 4096',
    '7 <... fdatasync resumed>)       = -1 EIO (Input/output error) (INJECTED)',
    'strace: Process 9 attached',
  ].join('\n')
  const calls = parseCalls(text).map(({ name, fd, path, phase, bytes }) => `${name} ${fd} ${path} ${phase} ${bytes}`)
  assert.equal(calls, [
    'pwritev 24 /disk/a.mp4 begin 0',
    'pwritev 24 /disk/a.mp4 done 204',
    'fdatasync 24 /disk/a.mp4 begin 0',
    'pwrite64 18 /disk/data.mdb begin 0',
    'pwrite64 18 /disk/data.mdb done 4096',
    'fdatasync 24 /disk/a.mp4 failed -1',
  ])
})

straceTest('files are synced before the index is written, the index before its root', async () => {
  const scene = await streaming()
  const { pid } = scene.program('storage')
  const index = join(scene.disk, '.homeward/index/data.mdb')
  const log = join(scene.folder, 'calls.strace')
  const strace = await Strace.attach(['-y', '-o', log, '-e', 'trace=fdatasync,pwritev,pwrite64,writev'], pid)
  const { seq } = await scene.status('camera')
  await scene.until('camera', 'storing on', ({ seq: { acked } }) => acked >= seq.acked + 10)
  await strace.detach()

  const unsynced = new Set<string>()
  const fragments = { written: 0, synced: 0 }
  let roots = 0
  let pages = 0
  for (const { name, fd, path, phase, bytes } of parseCalls(await readFile(log, 'utf8'))) {
    if (path.endsWith('.mp4')) {
      if (name === 'pwritev' && phase === 'begin') unsynced.add(path)
      if (name === 'pwritev' && phase === 'done') fragments.written++
      if (name === 'fdatasync' && phase === 'done') {
        unsynced.delete(path)
        fragments.synced++
      }
    }
    if (path !== index) continue
    if (name === 'fdatasync') pages = phase === 'done' ? 0 : pages
    else if (phase === 'begin') assert.equal([...unsynced], [], 'the index is written while a file is not synced')
    // The new root is less than a page, and written through a descriptor of its own that syncs by itself.
    else if (bytes >= 4096) pages++
    else {
      assert.is(pages, 0, 'a new root while pages are not synced')
      const flags = /^flags:\s+0?([0-7]+)/m.exec(await readFile(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))?.[1] ?? '0'
      assert.ok((Number.parseInt(flags, 8) & O_DSYNC) !== 0, `the root is written with flags 0${flags}`)
      roots++
    }
  }
  // The less of the machine is ours, the more of them share a sync.
  assert.ok(fragments.written >= 8 && fragments.synced >= 3 && roots >= 3, JSON.stringify({ fragments, roots }))
  process.stdout.write(`${fragments.written} writes of fragments, ${fragments.synced} syncs, ${roots} index commits\n`)
})

interface Look {
  readonly askedMs: number
  readonly answeredMs: number
  readonly captured: number
  readonly acked: number
}

async function look(scene: TestHome): Promise<Look> {
  const askedMs = performance.now()
  const { seq } = await scene.status('camera')
  return { askedMs, answeredMs: performance.now(), captured: seq.captured, acked: seq.acked }
}

/** With every fdatasync of these files `SLOW_MS` late, no fragment is ACKed sooner than that after it was captured. */
async function checkSlow(scene: TestHome, paths: readonly string[]): Promise<void> {
  const delay = ['-e', 'trace=fdatasync', '-e', `inject=fdatasync:delay_enter=${SLOW_MS * 1000}`]
  const log = join(scene.folder, 'slow.strace')
  const only = paths.flatMap((path) => ['-P', path])
  const strace = await Strace.attach(['-o', log, ...only, ...delay], scene.program('storage').pid)
  const looks: Look[] = []
  const started = performance.now()
  const goesOn = (afterMs: number) =>
    afterMs < 5 * SLOW_MS || (afterMs < 20 * SLOW_MS && looks.at(-1)?.acked === looks[0]?.acked)
  while (goesOn(performance.now() - started)) {
    looks.push(await look(scene))
    await pause(20)
  }
  await strace.detach()
  // What was captured before may have been under way.
  const before = looks[0]?.captured ?? 0
  for (const { answeredMs, acked } of looks) {
    const then = looks.find(({ askedMs }) => askedMs >= answeredMs - SLOW_MS)?.captured ?? 0
    assert.ok(acked <= Math.max(before, then), `${acked} ACKed, ${SLOW_MS} ms before that only ${then} were captured`)
  }
  const last = looks.at(-1)?.acked ?? 0
  assert.ok(last > before, `${last} of more than ${before} were ACKed in spite of it`)
  assert.match(await readFile(log, 'utf8'), /DELAYED/)
  process.stdout.write(`${last - before} ACKs at least ${SLOW_MS} ms after their capture\n`)
}

straceTest('a slow sync of the file holds its ACKs up', async () => {
  await farFromNextWindow()
  const scene = await streaming()
  await checkSlow(scene, await scene.clips())
})

straceTest('a slow sync of the index holds the ACKs up', async () => {
  const scene = await streaming()
  await checkSlow(scene, [join(scene.disk, '.homeward/index/data.mdb')])
})

/** While these syncs fail nothing is ACKed, and the camera keeps all; answers with its last status. */
async function checkFailing(scene: TestHome, only: readonly string[]): Promise<CameraStatus> {
  const failing = ['-e', 'trace=fdatasync,fsync', '-e', 'inject=fdatasync,fsync:error=EIO']
  const strace = await Strace.attach(['-o', '/dev/null', ...only, ...failing], scene.program('storage').pid)
  const { captured: before } = await look(scene)
  let status = await scene.status('camera')
  // Over a second attempt of the storage device, which comes after 5 s.
  for (const until = performance.now() + 6500; performance.now() < until; await pause(50)) {
    status = await scene.status('camera')
    assert.ok(status.seq.acked <= before, `${status.seq.acked} ACKed, only ${before} were captured before`)
  }
  const waiting = status.seq.captured - status.seq.acked
  assert.ok(waiting > 20 && status.ring.unackedBytes > 0 && status.seq.lost === 0, `the camera keeps it: ${waiting}`)
  const storage = scene.program('storage')
  storage.signal('SIGKILL')
  await storage.exited
  await strace.detach()
  return status
}

straceTest(
  'a failing sync of the index, then of everything: no ACK; afterwards all is there exactly once',
  async () => {
    const scene = await streaming()
    const index = join(scene.disk, '.homeward/index/data.mdb')
    const waited: number[] = []
    for (const only of [['-P', index], []]) {
      const { seq } = await checkFailing(scene, only)
      waited.push(seq.captured - seq.acked)
      await scene.startStorage()
      await streaming()
    }
    const { seq } = await scene.drain('camera')
    assert.is(seq.acked, seq.captured, 'every fragment is ACKed')
    const report = await scene.verify()
    assert.equal(
      [report.damaged, report.missing, report.unindexed, report.gaps],
      [[], [], [], []],
      'verify --deep agrees',
    )
    const { counts, faults } = frameFaults(await scene.storedFrames())
    assert.equal(faults, [], 'every frame exactly once')
    const [frames = 0, ...others] = counts.values()
    assert.equal(others, [], 'one run')
    assert.ok(
      frames > (seq.captured - 1) * GOP && frames <= seq.captured * GOP,
      `${frames} of ${seq.captured} fragments`,
    )
    process.stdout.write(
      `${waited.join(' and ')} fragments waited; ${frames} frames of ${seq.captured} fragments stored\n`,
    )
  },
)

test.run()
