import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../../firmware/wire/errors.ts'
import { type BlockDevice, objection } from './disks.ts'
import { writeImage } from './write.ts'

const GIB = 2 ** 30
const CARD: BlockDevice = {
  path: '/dev/sdb',
  type: 'disk',
  size: 32 * GIB,
  ro: false,
  rm: true,
  tran: 'usb',
  model: 'Card reader',
  mountpoints: [null],
  children: [part('/dev/sdb1', null)],
}
const INSIDE: BlockDevice = { ...CARD, path: '/dev/sda', rm: false, tran: 'sata', children: [part('/dev/sda1', '/')] }

function part(path: string, mountpoint: string | null, type = 'part'): BlockDevice {
  return { path, type, size: GIB, ro: false, rm: true, tran: null, model: null, mountpoints: [mountpoint] }
}

const against = (card: BlockDevice, path = card.path, fixedToo = false) =>
  objection([INSIDE, card], path, GIB / 2, fixedToo)

test('a card that nobody uses is written', () => {
  assert.is(against(CARD), undefined)
  assert.is(against({ ...CARD, path: '/dev/mmcblk0', rm: false, tran: null }), undefined)
})

const REFUSED: [string, BlockDevice, string, RegExp][] = [
  ['a partition', CARD, '/dev/sdb1', /is a part of \/dev\/sdb, expected the whole disk/],
  ['what is not there', CARD, '/dev/sdz', /is no disk\. Possible: \/dev\/sdb \(Card reader, 32\.0 GiB\)/],
  ['a mounted disk', { ...CARD, mountpoints: ['/mnt'] }, '/dev/sdb', /mounted at \/mnt/],
  [
    'a mounted partition',
    { ...CARD, children: [part('/dev/sdb1', '/media/x')] },
    '/dev/sdb',
    /sdb1 is mounted at \/media\/x/,
  ],
  ['swap', { ...CARD, children: [part('/dev/sdb1', '[SWAP]')] }, '/dev/sdb', /in use as swap/],
  [
    'a disk under LUKS, LVM or RAID',
    { ...CARD, children: [{ ...part('/dev/sdb1', null), children: [part('/dev/mapper/x', null, 'crypt')] }] },
    '/dev/sdb',
    /\/dev\/mapper\/x \(crypt\) is built on/,
  ],
  ['a read-only card', { ...CARD, ro: true }, '/dev/sdb', /read-only/],
  ['a card that is too small', { ...CARD, size: GIB / 2 }, '/dev/sdb', /has 0\.5 GiB, expected at least 0\.6 GiB/],
  ['a disk inside the machine', { ...CARD, rm: false, tran: 'nvme' }, '/dev/sdb', /inside this machine.*FIXED=yes/],
  ['an optical drive', { ...CARD, type: 'rom' }, '/dev/sdb', /is a rom, expected a disk/],
]
for (const [what, card, path, message] of REFUSED) {
  test(`refused: ${what}`, () => {
    assert.match(against(card, path) ?? 'written', message)
  })
}

test('FIXED=yes allows a disk inside the machine, but none that is in use', () => {
  assert.is(against({ ...CARD, rm: false, tran: 'nvme' }, '/dev/sdb', true), undefined)
  assert.match(against(CARD, '/dev/sda', true) ?? 'written', /\/dev\/sda is the disk that this machine runs from/)
  const busy = { ...CARD, rm: false, tran: 'nvme', children: [part('/dev/sdb1', '/srv')] }
  assert.match(against(busy, '/dev/sdb', true) ?? 'written', /\/dev\/sdb1 is mounted at \/srv/)
})

async function withFiles(image: Buffer, work: (image: string, disk: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'homeward-'))
  try {
    writeFileSync(join(folder, 'image'), image)
    writeFileSync(join(folder, 'disk'), Buffer.alloc(image.length + 5000, 7))
    await work(join(folder, 'image'), join(folder, 'disk'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('all bytes are written, those behind the image are left alone', async () => {
  const image = Buffer.alloc(9 * 2 ** 20 + 123, 'homeward')
  await withFiles(image, async (from, to) => {
    let last = 0
    await writeImage(from, to, (done, of) => {
      assert.ok(done > last && of === 2 * image.length)
      last = done
    })
    assert.is(last, 2 * image.length)
    const written = readFileSync(to)
    assert.ok(written.subarray(0, image.length).equals(image))
    assert.ok(written.subarray(image.length).every((byte) => byte === 7))
  })
})

test('a disk that cannot be written is told', async () => {
  await withFiles(Buffer.alloc(4096, 1), async (from) => {
    let error: unknown
    await writeImage(from, '/dev/full', () => undefined).catch((thrown: unknown) => {
      error = thrown
    })
    assert.ok(isHomewardError(error, 'DISK_FAILED'), String(error))
    assert.match(String(error), /\/dev\/full cannot be written at byte 0 \(ENOSPC\)/)
  })
})

test.run()
