// time-out: 1800 s
/**
 * From a LAN down to a relay and back up, again and again, under load: nothing is lost or stored twice, and neither end
 * grows. HOMEWARD_MOVES: how many times (12).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { labTest } from './lab-fixture.ts'
import { type Closing, closePath, openPath } from './path-rules.ts'
import { HEAVY_SOURCE, StreamingHome } from './stream-fixture.ts'
import { runIp, runTool } from './tool.ts'
import { deviceOf } from './topology.ts'

const ROUNDS = Number(process.env.HOMEWARD_MOVES ?? 12)
/** Everything was used by then, and what is allocated for good is there. */
const WARM_UP_ROUNDS = Math.max(3, Math.ceil(ROUNDS / 5))
/** A path that falls silent is left within 3 s; one that is refused right after it was opened, after 4 s at the most. */
const DOWN_WITHIN_MS = 5_000
/** A change of interfaces is noticed within 3 s, and then tried at once. */
const UP_WITHIN_MS = 5_000
/**
 * A young heap still grows by as much, also while nothing moves. A megabyte that each of a hundred moves keeps is seen;
 * a kept connection is seen by its file.
 */
const MEMORY_GROWTH_MAX_BYTES = 64 * 1024 * 1024
/** Fewer than the rounds that follow: one that each of them leaves open is seen. */
const FILES_GROWTH_MAX = 4
const ENDS = ['camera', 'storage'] as const

interface Held {
  /** Without mapped files, of which the storage device's index is one that grows with what is stored. */
  readonly anonBytes: number
  readonly files: number
}

/** What the process on a node holds. */
function held(home: StreamingHome, node: string): Held {
  const [pid = ''] = runTool('ip', ['netns', 'pids', home.lab.namespace(node)]).split('\n')
  const anonKb = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return { anonBytes: Number(anonKb) * 1024, files: readdirSync(`/proc/${pid}/fd`).length }
}

/** As when a router hands out one more address: something to try again for. */
function changeInterfaces({ lab }: StreamingHome, round: number): void {
  runIp([`addr ${round % 2 === 0 ? 'add' : 'del'} 192.0.2.1/32 dev ${deviceOf(0)}`], lab.namespace('camera'))
}

async function goDown(home: StreamingHome, how: Closing): Promise<number> {
  const startMs = performance.now()
  closePath(home.lab, 'camera', 'storage', how)
  closePath(home.lab, 'storage', 'camera', how)
  await home.settled('relay-udp', 0, DOWN_WITHIN_MS)
  await home.flowsAgain(DOWN_WITHIN_MS)
  return Math.round(performance.now() - startMs)
}

async function goUp(home: StreamingHome, round: number): Promise<number> {
  const startMs = performance.now()
  openPath(home.lab, 'camera')
  openPath(home.lab, 'storage')
  changeInterfaces(home, round)
  await home.settled('lan', 0, UP_WITHIN_MS)
  await home.flowsAgain(UP_WITHIN_MS)
  return Math.round(performance.now() - startMs)
}

labTest(`${ROUNDS} times down to a relay and back up, under load`, async () => {
  await StreamingHome.with('same-lan', HEAVY_SOURCE, async (home) => {
    /** Of both ends: after the warm-up, half way from there, and in the end. */
    const looks: (readonly Held[])[] = []
    const look = () => looks.push(ENDS.map((end) => held(home, end)))
    const halfWay = Math.floor((WARM_UP_ROUNDS + ROUNDS) / 2)
    const longest = { downMs: 0, upMs: 0 }
    for (let round = 0; round < ROUNDS; round += 1) {
      if (round === WARM_UP_ROUNDS || round === halfWay) look()
      longest.downMs = Math.max(longest.downMs, await goDown(home, round % 2 === 0 ? 'silently' : 'refused'))
      longest.upMs = Math.max(longest.upMs, await goUp(home, round))
    }
    look()
    const frames = await home.isExact()
    const grown = ENDS.map((end, at) => {
      const [files, memory] = [looks.map((ends) => ends[at]?.files ?? 0), looks.map((ends) => ends[at]?.anonBytes ?? 0)]
      const told = `${end} ${memory.map((bytes) => (bytes / 1048576).toFixed(1)).join(', ')} MiB and ${files.join(', ')} files`
      return { told, bytes: (memory.at(-1) ?? 0) - (memory[0] ?? 0), files: (files.at(-1) ?? 0) - (files[0] ?? 0) }
    })
    const told = [
      `${frames} frames; down in ${longest.downMs} ms, up in ${longest.upMs} ms at the longest`,
      ...grown.map((end) => end.told),
    ].join('; ')
    process.stdout.write(`${ROUNDS} moves: ${told}\n`)
    assert.is(looks.length, 3)
    for (const { bytes, files } of grown) {
      assert.ok(bytes <= MEMORY_GROWTH_MAX_BYTES, told)
      assert.ok(files <= FILES_GROWTH_MAX, told)
    }
  })
})

test.run()
