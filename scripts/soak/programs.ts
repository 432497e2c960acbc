/**
 * The three programs for minutes under faults chosen by a seed: cables pulled, packets lost, paths closed, mappings
 * forgotten, programs stopped, the P2P server killed. Camera and storage device run through it; in the end every frame is
 * accounted for, and neither holds more memory or files than after the first third. HOMEWARD_SOAK_MINUTES: how long (10).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { randomBelow, seededRandom } from '../../firmware/platform/random.ts'
import { accountFaults } from '../netlab/frame-account.ts'
import { labTrouble } from '../netlab/lab.ts'
import { closePath, openPath } from '../netlab/path-rules.ts'
import { GOP, HEAVY_SOURCE, StreamingHome } from '../netlab/stream-fixture.ts'
import { pause } from '../netlab/tool.ts'

const MINUTES = Number(process.env.HOMEWARD_SOAK_MINUTES ?? 10)
const SEED = Number(process.env.HOMEWARD_SEED ?? Date.now() % 1_000_000)
const FLOWS_WITHIN_MS = 60_000
const DRAINED_WITHIN_MS = 120_000
/** As in the lab's test of moves: a heap breathes by as much between two collections. */
const RSS_GROWTH_MAX_BYTES = 64 * 1024 * 1024
const FILES_GROWTH_MAX = 6
const ENDS = ['camera', 'storage'] as const

const print = (line: string) => process.stdout.write(`${line}\n`)
const random = seededRandom(SEED)
const below = (bound: number) => randomBelow(random, bound)

interface Blow {
  readonly what: string
  strike(home: StreamingHome): Promise<void>
}

const node = () => ENDS[below(2)] ?? 'camera'

function blow(): Blow {
  const forMs = 500 + below(8_000)
  const hurt = node()
  const blows: Blow[] = [
    {
      what: `the cable of ${hurt} pulled for ${forMs} ms`,
      strike: async ({ lab }) => {
        lab.faults.pull(hurt)
        await pause(forMs)
        lab.faults.plug(hurt)
      },
    },
    {
      what: `a quarter of the packets of ${hurt} lost for ${forMs} ms`,
      strike: async ({ lab }) => {
        lab.faults.lose(hurt, 25)
        await pause(forMs)
        lab.faults.lose(hurt, 0)
      },
    },
    {
      what: `the LAN closed for ${forMs} ms`,
      strike: async ({ lab }) => {
        closePath(lab, 'camera', 'storage')
        closePath(lab, 'storage', 'camera')
        await pause(forMs)
        openPath(lab, 'camera')
        openPath(lab, 'storage')
      },
    },
    { what: 'the router forgets all mappings', strike: async ({ lab }) => lab.faults.flush('home') },
    {
      what: `${hurt} stopped for ${forMs} ms`,
      strike: async (home) => {
        const program = hurt === 'camera' ? home.camera : home.home.program('storage')
        program.signal('SIGSTOP')
        await pause(forMs)
        program.signal('SIGCONT')
      },
    },
    {
      what: 'the P2P server killed and started again',
      strike: async ({ home }) => {
        await home.program('server').kill()
        await home.startServer()
      },
    },
  ]
  return blows[below(blows.length)] ?? { what: 'nothing', strike: async () => {} }
}

interface Held {
  readonly rssBytes: number
  readonly files: number
}

function held(home: StreamingHome): Record<(typeof ENDS)[number], Held> {
  const of = (pid: number): Held => {
    const rssKb = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return { rssBytes: Number(rssKb) * 1024, files: readdirSync(`/proc/${pid}/fd`).length }
  }
  return { camera: of(home.camera.pid), storage: of(home.home.program('storage').pid) }
}

/** What was wrong. */
async function run(): Promise<string[]> {
  const wrong: string[] = []
  await StreamingHome.with('same-lan', HEAVY_SOURCE, async (home) => {
    const untilMs = performance.now() + MINUTES * 60_000
    const warmMs = performance.now() + MINUTES * 20_000
    let before: ReturnType<typeof held> | undefined
    let blows = 0
    while (performance.now() < untilMs) {
      if (before === undefined && performance.now() > warmMs) before = held(home)
      const { what, strike } = blow()
      await strike(home)
      blows += 1
      const { tookMs, path } = await home.flowsAgain(FLOWS_WITHIN_MS)
      print(`${what}: flows after ${tookMs} ms on ${path}`)
      await pause(below(3_000))
    }
    const after = held(home)
    await home.camera.call('stop-capture')
    const { seq } = await home.until('drained', ({ ring }) => ring.unackedBytes === 0, DRAINED_WITHIN_MS)
    const { damaged, missing, unindexed, gaps } = await home.verify()
    const frames = await home.storedFrames()
    const lives = [{ fragments: seq.captured, killed: false }]
    wrong.push(...accountFaults({ frames, gaps, gop: GOP, lives, reasons: ['too-slow'], unseenMax: 0 }))
    wrong.push(...[...damaged, ...missing, ...unindexed].map((one) => `verify: ${JSON.stringify(one)}`))
    print(`${blows} blows in ${MINUTES} minutes, ${frames.length} frames stored, ${gaps.length} gaps, seed ${SEED}`)
    for (const end of ENDS) {
      const rssBytes = after[end].rssBytes - (before?.[end].rssBytes ?? after[end].rssBytes)
      const files = after[end].files - (before?.[end].files ?? after[end].files)
      const told = `${end}: ${(rssBytes / 1048576).toFixed(1)} MiB and ${files} files more, ${(after[end].rssBytes / 1048576).toFixed(0)} MiB in all`
      print(told)
      if (rssBytes > RSS_GROWTH_MAX_BYTES || files > FILES_GROWTH_MAX) wrong.push(told)
    }
  })
  return wrong
}

const trouble = await labTrouble()
if (trouble !== undefined) print(`skipped: ${trouble}`)
else {
  const wrong = await run()
  for (const line of wrong) print(`FAIL ${line}`)
  process.exitCode = wrong.length === 0 ? 0 : 1
}
