/** A home whose disks and cards are file systems that a test mounts, breaks and takes away. */
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Books, readBooks } from './cards-fixture.ts'
import { homeward } from './command-fixture.ts'
import { Mounts } from './mount-fixture.ts'
import { type CameraStatus, frameFaults, TestHome } from './test-home.ts'

/** 1 MiB a second in fragments of half a second. */
export const SOURCE = 'fake:fps=10,gop=5,size=128x64,bitrate=8000000'
const GOP = 5

/** All that was started is ended and all that was mounted is gone afterwards. With `trouble`, why it cannot run here. */
export function mountTest(
  name: string,
  trouble: string | undefined,
  run: (home: TestHome, mounts: Mounts) => Promise<void>,
): void {
  if (trouble !== undefined) {
    process.stdout.write(`skipped: ${name}: ${trouble}\n`)
    test.skip(name)
    return
  }
  test(name, async () => {
    const home = await TestHome.create()
    const mounts = new Mounts()
    try {
      await run(home, mounts)
    } finally {
      await home.end()
      await mounts.close()
      await home.close()
    }
  })
}

export const state = (home: TestHome, name: string) => ['--state', join(home.folder, name)]

/** What is left free of the storage disk. */
export const MIN_FREE = ['--min-free', '4MB'] as const

/** A camera that films, and footage on the storage disk. */
export async function startAll(home: TestHome): Promise<void> {
  await home.startServer()
  await home.startStorage(MIN_FREE)
  await home.startCamera('camera', SOURCE)
  await home.pair('camera')
  await home.until('camera', 'storing', ({ seq }) => seq.acked > 2)
}

/** Films on for a while: nothing is acknowledged meanwhile, nothing lost. */
export async function assertKept(home: TestHome, fragments = 4): Promise<void> {
  const before = await home.status('camera')
  const now = await home.until('camera', 'filming on', ({ seq }) => seq.captured >= before.seq.captured + fragments)
  assert.equal([now.seq.acked, now.seq.lost], [before.seq.acked, 0], 'nothing is acknowledged, nothing is lost')
  assert.ok(now.ring.unackedBytes > before.ring.unackedBytes, 'the camera keeps it')
}

/** Until `well` and connected; then everything that this life of the camera captured arrives, each frame once. */
export async function assertRecovers(home: TestHome, well: (status: CameraStatus) => boolean): Promise<Books> {
  const connected = (status: CameraStatus) => status.state === 'connected' && well(status)
  await home.until('camera', 'well again', connected, 90_000)
  const { seq } = await home.drain('camera', 60_000)
  assert.equal([seq.lost, seq.acked], [0, seq.captured])
  const books = await readBooks(home)
  assert.equal(books.ledger, [])
  const { counts, faults } = frameFaults(await home.storedFrames())
  assert.equal(faults, [], 'every frame is there once')
  const newest = [...counts.values()].at(-1) ?? 0
  // The last fragment may be a short one.
  assert.ok(newest > (seq.captured - 1) * GOP && newest <= seq.captured * GOP, `${newest} frames of ${seq.captured}`)
  return books
}

/** What a person is shown. */
export async function shown(home: TestHome, who: 'camera' | 'storage'): Promise<string> {
  const { status, stdout } = await homeward([who, 'status', ...state(home, who)])
  assert.is(status, 0)
  return stdout
}

/** The storage device shows one alarm that fits, and so does the camera. */
export async function assertAlarm(home: TestHome, reason: RegExp): Promise<void> {
  for (const [who, what] of [
    ['camera', 'the storage device keeps nothing right now: '],
    ['storage', 'nothing is acknowledged, the cameras keep it: '],
  ] as const) {
    const alarms = (await shown(home, who)).split('\n').filter((line) => line.startsWith('Alarm'))
    assert.is(alarms.length, 1, alarms.join('\n'))
    assert.ok(alarms[0]?.startsWith(`Alarm     ${what}`), alarms[0])
    assert.match(alarms[0] ?? '', reason)
  }
}
