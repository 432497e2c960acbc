// time-out: 180 s
/** Limits, locked spans and the outlook, as a person sets and sees them, with the real programs. */
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { assertRefused, homeward } from './command-fixture.ts'
import { TestHome } from './test-home.ts'

const SOURCE = 'fake:fps=10,gop=5,size=128x64,bitrate=2000000'

test('a camera is limited, a span is locked, the rest goes and is in the ledger', async () => {
  const home = await TestHome.create()
  const state = ['--state', join(home.folder, 'storage')]
  const say = async (...args: string[]) => {
    const { status, stdout, stderr } = await homeward(['storage', ...args, ...state])
    assert.is(status, 0, stderr)
    return stdout
  }
  const ask = async (...args: string[]) => JSON.parse(await say(...args, '--json'))
  try {
    await home.startServer()
    const first = await home.startStorage()
    await home.startCamera('camera', SOURCE)
    await home.pair('camera')
    await home.until('camera', 'storing', ({ seq }) => seq.acked > 4)
    // At its end every file is closed; what comes then goes to another one.
    await first.stop()
    const between = new Date().toISOString()
    const second = await home.startStorage()
    await home.until('camera', 'storing on', ({ seq, state: now }) => now === 'connected' && seq.acked > 12)
    await second.stop()
    await home.startStorage()

    assert.match(await say('keep'), /^camera +until the disk needs room\n$/)
    const locked = await say('lock', 'camera', '--from', between, '--to', '2099-01-01', '--name', 'the parcel')
    assert.match(locked, /^Locked as [0-9a-f]{8}: it stays until/)
    assert.match(await say('locks'), /^[0-9a-f]{8} +camera +\S+ to 2099-01-01T00:00:00.000Z +the parcel\n$/)
    const before = (await ask('verify')) as { files: number; gaps: unknown[] }
    assert.ok(before.files >= 2 && before.gaps.length === 0)
    assert.match(await say('keep', 'camera', '--bytes', '1KiB', '--days', '30'), /at most 30 days and 1\.0 KiB/)
    let gaps: { kind: string; reason: string }[] = []
    for (let tries = 0; tries < 60 && gaps.length === 0; tries++) gaps = (await ask('verify')).gaps
    assert.ok(gaps.length > 0, 'something went')
    assert.ok(gaps.every(({ kind, reason }) => kind === 'expired' && reason.includes('more than 1024 bytes')))
    const after = (await ask('verify')) as { files: number; damaged: unknown[]; missing: unknown[] }
    assert.ok(after.files > 0, 'the locked span is there')
    assert.equal([after.damaged, after.missing], [[], []])

    const { retention, scrub } = (await ask('status')) as {
      retention: { minFreeBytes: number; cameras: { name: string; limits: unknown; locks: number }[] }
      scrub: { lastFullAt: string | null }
    }
    assert.is(retention.minFreeBytes, 2 ** 30)
    assert.equal(
      retention.cameras.map(({ name, limits, locks }) => [name, limits, locks]),
      [['camera', { days: 30, bytes: 1024 }, 1]],
    )
    assert.is(scrub.lastFullAt, null)
    assert.match(
      await say('status'),
      /Room +[\d.]+ GiB free of .* left alone\n[\s\S]*Checked +0 % of this pass, no full pass yet/,
    )

    assert.match(await say('unlock', 'the parcel'), /is unlocked/)
    assert.match(await say('locks'), /^Nothing is locked/)
    assert.match(await say('keep', 'camera', '--bytes', 'any', '--days', 'any'), /until the disk needs room/)
    const refused = (...args: string[]) => homeward(['storage', ...args, ...state])
    assertRefused(await refused('unlock', 'the parcel'), 1, /"the parcel" is no locked span\. .*locks/)
    assertRefused(await refused('keep', '--days', '3'), 2, /which camera\? --days and --bytes change the limits of one/)
    assertRefused(
      await refused('keep', 'camera', '--days', 'some'),
      2,
      /--days: "some" is not valid, expected "any" or/,
    )
    assertRefused(await refused('keep', 'garage'), 1, /garage/)
  } finally {
    await home.end()
    await home.close()
  }
})

test.run()
