/** Exports when something is missing, damaged, in the way, or given up. What they look like to players: archive-play.test. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readBoxes } from '../../media/boxes.ts'
import { handmadeInit, VIDEO } from '../../media/sample-streams.ts'
import { type ErrorCode, isHomewardError } from '../../wire/errors.ts'
import {
  bytesOf,
  CAMERA,
  cameraKey,
  footage,
  makeRig,
  mediaAt,
  OTHER_INIT,
  type Rig,
  ROOT,
  SECOND,
  T0,
} from './archive-fixture.ts'

const OUT = `${ROOT}/out.mp4`
const span = { camera: CAMERA, fromUs: T0, toUs: T0 + 60 * SECOND, out: OUT }

async function fails(promise: Promise<unknown>, code: ErrorCode): Promise<string> {
  const [result] = await Promise.allSettled([promise])
  const reason = result?.status === 'rejected' ? result.reason : undefined
  assert.ok(isHomewardError(reason, code), `${reason} is not ${code}`)
  return `${reason.message} ${reason.hint ?? ''}`
}

async function nothingLeft({ disk }: Rig): Promise<void> {
  assert.is(await disk.stat(OUT), undefined)
  assert.is(await disk.stat(`${OUT}.partial`), undefined)
}

test('an export is one ordinary file with its tables in front and all media data in one box', async () => {
  const rig = await makeRig()
  await rig.storeAll(0, 4)
  const progress: number[] = []
  const result = await rig.archive.exportSpan({ ...span, onProgress: ({ bytes }) => progress.push(bytes) })
  const bytes = await bytesOf(rig.disk, 'out.mp4')
  const boxes = readBoxes(bytes)
  assert.equal(
    boxes.map(({ type }) => type),
    ['ftyp', 'moov', 'mdat'],
  )
  const data = boxes[2]?.body ?? new Uint8Array(0)
  const media = [0, 1, 2, 3, 4].map((seq) => readBoxes(mediaAt(seq))[1]?.body ?? new Uint8Array(0))
  assert.equal(new Uint8Array(data), new Uint8Array(Buffer.concat(media)))
  assert.equal([result.bytes, result.fragments, result.frames], [bytes.byteLength, 5, 20])
  const stss = Buffer.from(bytes).indexOf('stss')
  const syncs = Array.from({ length: 6 }, (_, index) => Buffer.from(bytes).readUInt32BE(stss + 8 + index * 4))
  assert.equal(syncs, [5, 1, 5, 9, 13, 17], 'count, then the first picture of each fragment')
  assert.is(result.durationUs, 5 * SECOND)
  assert.is(progress.at(-1), bytes.byteLength)
  assert.is(await rig.disk.stat(`${OUT}.partial`), undefined)
  await rig.archive.close()
})

test('a span without footage says where the nearest is', async () => {
  const rig = await makeRig()
  const empty = { ...span, fromUs: T0 + 100 * SECOND, toUs: T0 + 200 * SECOND }
  assert.match(await fails(rig.archive.exportSpan(empty), 'SPAN_EMPTY'), 'no dated footage at all')
  await rig.storeAll(0, 4)
  await rig.store({ seq: 300 })
  const said = await fails(rig.archive.exportSpan(empty), 'SPAN_EMPTY')
  assert.match(said, 'ends at 2026-03-14T10:00:05.000Z')
  assert.match(said, 'begins again at 2026-03-14T10:05:00.000Z')
  await fails(rig.archive.exportSpan({ ...span, camera: cameraKey(1) }), 'SPAN_EMPTY')
  await nothingLeft(rig)
  await rig.archive.close()
})

test('damaged fragments are named: exported when they can be, else left out', async () => {
  const rig = await makeRig()
  await rig.storeAll(0, 4)
  const [file] = rig.archive.files(CAMERA, T0, T0 + SECOND)
  const rows = file === undefined ? [] : rig.archive.fragmentsOf(file)
  const [path = ''] = await footage(rig.disk)
  // The picture of the second, the moof of the fourth.
  rig.disk.rot(`${ROOT}/${path}`, (rows[1]?.row.offset ?? 0) + (rows[1]?.row.bytes ?? 0) - 3)
  rig.disk.rot(`${ROOT}/${path}`, (rows[3]?.row.offset ?? 0) + (rows[3]?.row.headerBytes ?? 0) + 5)
  const result = await rig.archive.exportSpan(span)
  assert.equal(result.damaged.map(({ seq }) => seq).sort(), [1, 3])
  assert.is(result.fragments, 4)
  assert.equal(
    result.gaps.map((gap) => [gap.fromUs - T0, gap.toUs - T0]),
    [
      [3 * SECOND, 4 * SECOND],
      [5 * SECOND, 60 * SECOND],
    ],
  )
  await rig.archive.close()
})

test('a file that is gone is named and its time is a gap', async () => {
  const rig = await makeRig()
  await rig.storeAll(0, 4)
  await rig.store({ seq: 20 })
  const [path = ''] = await footage(rig.disk)
  await rig.disk.remove(`${ROOT}/${path}`)
  const result = await rig.archive.exportSpan(span)
  assert.equal([result.damaged.map((one) => one.path), result.fragments], [[path], 1])
  await rig.archive.close()
})

test('an init segment that differs in what matters to no player goes on; another picture size does not', async () => {
  const rig = await makeRig()
  await rig.storeAll(0, 2)
  await rig.store({ seq: 10, run: 1 }, { init: OTHER_INIT, fragment: mediaAt(10) })
  assert.is((await rig.archive.exportSpan(span)).fragments, 4)
  const faster = handmadeInit([{ ...VIDEO, timescale: 2000 }])
  await rig.store({ seq: 20, run: 2 }, { init: faster, fragment: mediaAt(20) })
  const said = await fails(rig.archive.exportSpan(span), 'FORMAT_CHANGES')
  assert.match(said, 'the format changes at 2026-03-14T10:00:20.000Z')
  assert.match(said, 'Export 2026-03-14T10:00:00.000Z to 2026-03-14T10:00:11.000Z and 2026-03-14T10:00:20.000Z to')
  await rig.archive.close()
})

test('an export that is given up, or for which there is no room, leaves the old file and nothing else', async () => {
  const rig = await makeRig()
  await rig.storeAll(0, 9)
  const controller = new AbortController()
  const given = { ...span, signal: controller.signal, onProgress: () => controller.abort() }
  await fails(rig.archive.exportSpan(given), 'CANCELLED')
  await nothingLeft(rig)
  for (const [on, code, expected] of [
    ['write', 'ENOSPC', 'DISK_FULL'],
    ['datasync', 'EIO', 'DISK_FAILED'],
    ['rename', 'EIO', 'DISK_FAILED'],
  ] as const) {
    rig.disk.arm({ on, path: 'out.mp4', code })
    await fails(rig.archive.exportSpan(span), expected)
    await nothingLeft(rig)
  }
  await rig.archive.exportSpan(span)
  const before = await bytesOf(rig.disk, 'out.mp4')
  rig.disk.arm({ on: 'datasync', path: 'out.mp4', code: 'EIO' })
  await fails(rig.archive.exportSpan({ ...span, toUs: T0 + SECOND }), 'DISK_FAILED')
  assert.equal(await bytesOf(rig.disk, 'out.mp4'), before)
  await rig.archive.close()
})

test('footage that is still being written can be exported', async () => {
  const rig = await makeRig()
  await rig.storeAll(0, 4)
  const [exported] = await Promise.all([rig.archive.exportSpan(span), rig.storeAll(5, 9)])
  assert.ok(exported.fragments >= 5)
  assert.equal(exported.damaged, [])
  await rig.archive.close()
})

test.run()
