import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../wire/errors.ts'
import { codecOf, defaultSource } from './demo-source.ts'

const test = suite('demo source', { folder: '', device: '' })

test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), 'homeward-'))
  context.device = join(context.folder, 'video0')
  await writeFile(context.device, '')
})
test.after.each(async ({ folder }) => {
  delete process.env.HOMEWARD_FFMPEG
  await rm(folder, { recursive: true })
})

/** An ffmpeg that lists these formats, and fails as the real one does after a list. */
async function ffmpegThatLists(folder: string, ...lines: string[]): Promise<void> {
  const program = join(folder, 'ffmpeg')
  await writeFile(program, `#!/bin/sh\ncat >&2 <<'LIST'\n${lines.join('\n')}\nLIST\nexit 1\n`)
  await chmod(program, 0o755)
  process.env.HOMEWARD_FFMPEG = program
}

const raw = '[video4linux2,v4l2 @ 0x5581] Raw       :     yuyv422 :           YUYV 4:2:2 : 640x480'
const mjpeg = '[video4linux2,v4l2 @ 0x5581] Compressed:       mjpeg :          Motion-JPEG : 1280x720'
const h264 = '[video4linux2,v4l2 @ 0x5581] Compressed:        h264 :                H.264 : 1920x1080'
const hevc = '[video4linux2,v4l2 @ 0x5581] Compressed:        hevc :                 HEVC : 1920x1080'

test('formats', () => {
  assert.is(codecOf([raw, mjpeg].join('\n')), undefined)
  assert.is(codecOf([raw, hevc].join('\n')), 'h265')
  assert.is(codecOf([hevc, h264].join('\n')), 'h264')
})

test('a camera that encodes is filmed, any other is not', async ({ folder, device }) => {
  await ffmpegThatLists(folder, raw, h264)
  assert.equal(await defaultSource(device), { spec: `v4l2:${device}` })
  await ffmpegThatLists(folder, hevc)
  assert.equal(await defaultSource(device), { spec: `v4l2:${device},codec=h265` })
  await ffmpegThatLists(folder, raw, mjpeg)
  const { spec, note } = await defaultSource(device)
  assert.is(spec, 'test')
  assert.match(note ?? '', /video0 delivers neither/)
  assert.equal(await defaultSource(join(folder, 'video1')), { spec: 'test' })
})

test('without ffmpeg', async ({ device }) => {
  process.env.HOMEWARD_FFMPEG = '/nonexistent'
  try {
    await defaultSource(device)
    assert.unreachable()
  } catch (error) {
    assert.ok(isHomewardError(error, 'FFMPEG_MISSING'))
  }
})

test.run()
