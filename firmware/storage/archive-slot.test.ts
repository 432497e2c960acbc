import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { codeOf } from '../wire/error-code-fixture.ts'
import { type ErrorCode, HomewardError } from '../wire/errors.ts'
import type { Archive } from './archive/archive.ts'
import { ArchiveSlot, FAILING_MS, REOPEN_MS } from './archive-slot.ts'

/** A disk with an archive on it, of which each opening is counted. */
class Disk {
  trouble: ErrorCode | undefined
  opened = 0
  closed = 0

  readonly open = async (): Promise<Archive> => {
    this.#check()
    this.opened += 1
    let isOpen = true
    const work = async () => {
      assert.ok(isOpen, 'a closed archive is left alone')
      this.#check()
    }
    const archive = {
      diskId: 'd',
      recovery: { files: 0 },
      store: async () => work().then(() => 'stored'),
      gap: work,
      quarantine: work,
      nameCamera: async () => work().then(() => 'folder'),
      durable: () => [[0, 1]],
      exportSpan: async () => {
        throw new HomewardError('DISK_READ_ONLY', 'the other disk')
      },
      totals: () => [{ fragments: this.opened }],
      close: async () => {
        isOpen = false
        this.closed += 1
      },
    }
    return archive as unknown as Archive
  }

  #check(): void {
    if (this.trouble !== undefined) throw new HomewardError(this.trouble, 'the disk is in trouble')
  }
}

const test = suite('archive slot', { clock: new FakeClock(), disk: new Disk(), told: [] as string[] })

test.before.each((context) => {
  context.clock = new FakeClock()
  context.disk = new Disk()
  context.told = []
})

function start({ clock, disk, told }: { clock: FakeClock; disk: Disk; told: string[] }): Promise<ArchiveSlot> {
  return ArchiveSlot.start({
    open: disk.open,
    clock,
    onReleased: ({ code }) => told.push(code),
    onReopened: () => told.push('reopened'),
  })
}

const args = [new Uint8Array(32), {}, {}, 0] as unknown as Parameters<Archive['store']>

for (const trouble of ['DISK_READ_ONLY', 'DISK_MISSING'] as const) {
  test(`${trouble}: let go of, and taken up again`, async (context) => {
    const { clock, disk, told } = context
    const slot = await start(context)
    assert.is(await slot.store(...args), 'stored')
    assert.is(slot.totals().length, 1)
    disk.trouble = trouble
    assert.equal(await Promise.all([1, 2].map(() => codeOf(() => slot.store(...args)))), [trouble, trouble])
    await clock.advance(0)
    assert.is(disk.closed, 1, 'nothing holds the disk any more')
    for (const work of [
      () => slot.store(...args),
      () => slot.durable(new Uint8Array(32), 'x', 0, 1),
      () => slot.verify({ deep: false }),
    ]) {
      assert.is(await codeOf(work), trouble)
    }
    assert.is(slot.totals().length, 1, 'the last totals')
    await clock.advance(3 * REOPEN_MS)
    assert.equal([disk.opened, told], [1, [trouble]])
    disk.trouble = undefined
    await clock.advance(REOPEN_MS)
    assert.equal([disk.opened, told], [2, [trouble, 'reopened']])
    assert.is(await slot.store(...args), 'stored')
    await slot.close()
    assert.equal([disk.closed, clock.pendingTimers], [2, 0])
  })
}

test('a full disk, a failing one and the disk of an export are no reason', async (context) => {
  const { disk, told } = context
  const slot = await start(context)
  for (const trouble of ['DISK_FULL', 'DISK_FAILED'] as const) {
    disk.trouble = trouble
    assert.is(await codeOf(() => slot.store(...args)), trouble)
  }
  assert.is(
    await codeOf(() => slot.exportSpan({ camera: new Uint8Array(32), fromUs: 0, toUs: 1, out: '/x' })),
    'DISK_READ_ONLY',
  )
  assert.equal([disk.closed, told], [0, []])
  await slot.close()
})

test('a disk that goes on failing is let go of, one that works in between is not', async (context) => {
  const { clock, disk, told } = context
  const slot = await start(context)
  for (const works of [true, false]) {
    disk.trouble = 'DISK_FAILED'
    assert.is(await codeOf(() => slot.store(...args)), 'DISK_FAILED')
    await clock.advance(FAILING_MS - 1)
    disk.trouble = works ? undefined : 'DISK_FAILED'
    await codeOf(() => slot.store(...args))
    disk.trouble = 'DISK_FAILED'
    await clock.advance(1)
    assert.is(await codeOf(() => slot.store(...args)), 'DISK_FAILED')
    assert.equal(told, works ? [] : ['DISK_FAILED'])
  }
  disk.trouble = undefined
  await clock.advance(REOPEN_MS)
  assert.is(await slot.store(...args), 'stored')
  await slot.close()
})

test('closing while the disk is away leaves nothing behind', async (context) => {
  const { clock, disk } = context
  const slot = await start(context)
  disk.trouble = 'DISK_MISSING'
  await codeOf(() => slot.store(...args))
  await slot.close()
  await slot.close()
  disk.trouble = undefined
  await clock.advance(2 * REOPEN_MS)
  assert.equal([disk.opened, disk.closed, clock.pendingTimers], [1, 1, 0])
  assert.is(await codeOf(() => slot.store(...args)), 'DISK_MISSING')
})

test.run()
