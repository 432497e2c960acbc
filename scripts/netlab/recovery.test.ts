// time-out: 400 s
/**
 * What goes wrong with a network while a camera streams over it: its footage flows again in seconds on whatever way is
 * left, and in the end each frame is stored once. HOMEWARD_RECOVERY=all: what takes longer, too; any other word: only labs
 * whose name contains it.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { STABLE_MS } from '../../firmware/link/link-state.ts'
import { labTest } from './lab-fixture.ts'
import { LAN_PLANS, type Plan, PUNCHED_PLANS, RELAYED_PLANS } from './recovery-plans-fixture.ts'
import { LIGHT_SOURCE, StreamingHome } from './stream-fixture.ts'

/** On what is left of a network, or once it is whole again. */
const FLOWS_WITHIN_MS = 5_000
/** Four processes each. */
const LABS_AT_ONCE = 8
/** Looked at for so long, to know how long it took. */
const PATIENCE_MS = 60_000
/** A second try for something better is due by then. */
const BETTER_WITHIN_MS = 30_000

const WANTED = process.env.HOMEWARD_RECOVERY ?? ''

/** What was wrong, each fault with the time it took. */
async function endure({ topology, path, faults, returnsWithinMs = BETTER_WITHIN_MS }: Plan): Promise<string[]> {
  const wrong: string[] = []
  await StreamingHome.with(topology, LIGHT_SOURCE, async (home) => {
    for (const { what, hurt, withinMs = FLOWS_WITHIN_MS, on = path, mend } of faults) {
      // The end of a channel that was a good one is news, and no reason to wait.
      await home.settled(path, STABLE_MS + 500)
      await hurt(home)
      const recovery = await home.flowsAgain(PATIENCE_MS)
      const told = `${topology}, ${path}: ${what}: flows after ${recovery.tookMs} ms on ${recovery.path}`
      process.stdout.write(`${told}\n`)
      if (recovery.tookMs > withinMs) wrong.push(`${told}, expected ${withinMs} ms at the most; ${recovery.why}`)
      await home.settled(on, 0, BETTER_WITHIN_MS)
      mend?.(home)
    }
    await home.settled(path, 0, returnsWithinMs)
    await home.isExact()
  })
  return wrong
}

/** Their labs stand side by side, a few at a time: for the most part they wait. */
function recoveryTest(name: string, plans: readonly Plan[]): void {
  const wanted = plans.filter((plan) =>
    WANTED === '' ? plan.long !== true : WANTED === 'all' || plan.name.includes(WANTED),
  )
  if (wanted.length === 0) return
  labTest(name, async () => {
    const queue = [...wanted]
    const wrong: string[] = []
    const work = async () => {
      for (let plan = queue.shift(); plan !== undefined; plan = queue.shift()) {
        try {
          wrong.push(...(await endure(plan)))
        } catch (error) {
          wrong.push(`${plan.name}: ${error}`)
        }
      }
    }
    await Promise.all(Array.from({ length: LABS_AT_ONCE }, work))
    assert.equal(wrong, [])
  })
}

recoveryTest('through punched holes', PUNCHED_PLANS)
recoveryTest('in a LAN and over relays', [...LAN_PLANS, ...RELAYED_PLANS])

test.run()
