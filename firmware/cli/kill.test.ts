// time-out: 420 s
/**
 * Kill -9 of any of the three programs at any moment, again and again: afterwards every frame that the fake encoder numbered
 * is on the disk exactly once. A killed camera may lose the fragment being captured and what was not synced yet, nothing
 * else; a killed storage device or P2P server loses nothing.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { randomBelow, seededRandom } from '../platform/random.ts'
import { frameFaults, TestHome } from './test-home.ts'

const SEED = Number(process.env.HOMEWARD_SEED ?? Date.now() % 1_000_000)
const KILLS = Number(process.env.HOMEWARD_KILLS ?? 100)
const FPS = 50
const GOP = 10
const SOURCE = `fake:fps=${FPS},gop=${GOP},size=128x64,bitrate=2000000`
const VICTIMS = ['camera', 'storage', 'p2p'] as const

test(`${KILLS} kills, mixed, lose no frame (HOMEWARD_SEED=${SEED})`, async () => {
  const random = seededRandom(SEED)
  const below = (bound: number) => randomBelow(random, bound)
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
  const home = await TestHome.create()
  const start = {
    camera: () => home.startCamera('camera', SOURCE),
    storage: () => home.startStorage(),
    p2p: () => home.startServer(),
  }
  try {
    await start.p2p()
    await start.storage()
    await start.camera()
    await home.pair('camera')
    await home.until('camera', 'storing', ({ seq }) => seq.acked > 2)

    /** Fragments that each life of the camera had safely on its card, at the least, when it was killed. */
    const kept: number[] = []
    for (let kill = 0; kill < KILLS; kill++) {
      await pause(below(600))
      const victim = VICTIMS[below(VICTIMS.length)] ?? 'camera'
      if (victim === 'camera') kept.push((await home.status('camera')).seq.captured)
      const program = home.program(victim)
      program.signal('SIGKILL')
      await program.exited
      await pause(below(200))
      await start[victim]()
    }

    await home.until('camera', 'connected', ({ state }) => state === 'connected', 60_000)
    const last = await home.drain('camera', 60_000)
    // Stopped in the middle of a group of pictures: its last fragment is a short one.
    kept.push(last.seq.captured - 1)
    const report = await home.verify()
    assert.equal([report.damaged, report.missing, report.unindexed], [[], [], []], 'verify --deep agrees')

    const { counts, faults } = frameFaults(await home.storedFrames())
    assert.equal(faults, [], 'every run is whole from its first frame on')
    const stored = [...counts.values()].reduce((sum, count) => sum + count, 0)
    const least = kept.reduce((sum, fragments) => sum + fragments * GOP, 0)
    assert.ok(stored >= least, `${stored} frames stored, at least ${least} were on the card`)
    assert.ok(counts.size >= kept.filter((fragments) => fragments > 0).length, 'every life of the camera is there')
    // Nothing is invented either: each kill of the camera can hide what came after our last look, no more.
    const hidden = stored - least
    assert.ok(hidden <= kept.length * FPS * 2, `${hidden} frames more than were seen on the card`)
    process.stdout.write(`${KILLS} kills: ${stored} frames in ${counts.size} camera lives, seed ${SEED}\n`)
  } catch (error) {
    process.stdout.write(`seed ${SEED}, folder kept: ${home.folder}\n`)
    home.keep()
    throw error
  } finally {
    await home.close()
  }
})

test.run()
