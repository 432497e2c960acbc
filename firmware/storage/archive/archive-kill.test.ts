/** A process that stores is killed at any moment; what it had answered for is there when the next one starts. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../../platform/clock-fake.ts'
import { RealDisk } from '../../platform/disk-real.ts'
import { randomBelow, realRandom, seededRandom } from '../../platform/random.ts'
import { openArchive } from './archive.ts'
import { CAMERA, LOG, T0 } from './archive-fixture.ts'
import { initRoot } from './root.ts'

const SEED = 31

const here = (name: string): string => new URL(name, import.meta.url).pathname

/** Stores one fragment after the other, jumping now and then, and prints each number that was answered for. */
const WRITER = (root: string, from: number): string => `
  import { openArchive } from '${here('./archive.ts')}'
  import { CAMERA, headerOf, INIT, mediaAt } from '${here('./archive-fixture.ts')}'
  import { FakeClock } from '${here('../../platform/clock-fake.ts')}'
  import { RealDisk } from '${here('../../platform/disk-real.ts')}'
  const options = { disk: new RealDisk(), clock: new FakeClock(), root: ${JSON.stringify(root)}, minFreeBytes: 0, commitDelayMs: 0 }
  openArchive(options).then(async (archive) => {
    for (let seq = ${from}; ; seq += seq % 5 === 4 ? 2 : 1) {
      await archive.store(CAMERA, headerOf({ seq }), { init: INIT, fragment: mediaAt(seq) }, seq)
      process.stdout.write(seq + '\\n')
    }
  })`

/** Numbers answered for until the process was killed, after so many of them. */
async function storeUntilKilled(folder: string, from: number, count: number): Promise<number[]> {
  const script = join(folder, 'writer.mts')
  writeFileSync(script, WRITER(join(folder, 'root'), from))
  const child = spawn(process.execPath, ['--import', 'tsx', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString()
    if (said.split('\n').length > count) child.kill('SIGKILL')
  })
  await new Promise((resolve) => child.on('close', resolve))
  return said.split('\n').slice(0, -1).map(Number)
}

test('kill -9 loses nothing that was answered for, and the next start goes on', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'homeward-'))
  try {
    const root = join(folder, 'root')
    const disk = new RealDisk()
    await initRoot(disk, root, realRandom, T0)
    const random = seededRandom(SEED)
    const answered: number[] = []
    for (let round = 0; round < 3; round++) {
      const count = 3 + randomBelow(random, 60)
      answered.push(...(await storeUntilKilled(folder, round * 1000, count)))
      const archive = await openArchive({ disk, clock: new FakeClock(), root, minFreeBytes: 0 })
      for (const seq of answered) {
        assert.equal(archive.durable(CAMERA, LOG, seq, seq), [[seq, seq]], `seed ${SEED}, round ${round}, ${seq}`)
      }
      const { damaged, missing, unindexed } = await archive.verify({ deep: true })
      assert.equal({ damaged, missing, unindexed }, { damaged: [], missing: [], unindexed: [] }, `seed ${SEED}`)
      assert.ok(archive.recovery.files > 0)
      await archive.close()
    }
    assert.ok(answered.length >= 9)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test.run()
