/** One hour of footage as one MP4 over HTTP, beside `cp` of the stored files: bound by the disk, not by the processor. */
import { spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'
import { get } from 'node:http'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { handmadeFragment } from '../../firmware/media/sample-streams.ts'
import { INIT, SECOND } from '../../firmware/storage/archive/archive-fixture.ts'
import { nowUs, type WebHome, withHome } from '../../firmware/storage/web/web-fixture.ts'
import { HomewardError } from '../../firmware/wire/errors.ts'
import type { Row } from './row.ts'

const SECONDS = 3600
/** 4 Mbit/s: a key frame, and what follows it. */
const SAMPLES = [200_000, 100_000, 100_000, 100_000]
const ROUNDS = 3
const AT_ONCE = 16

export async function exportTime(): Promise<Row[]> {
  const ours: number[] = []
  const rival: number[] = []
  let bytes = 0
  await withHome(async (home) => {
    const startUs = nowUs() - 2 * SECONDS * SECOND
    for (let seq = 0; seq < SECONDS; seq += AT_ONCE) {
      const group = Array.from({ length: Math.min(AT_ONCE, SECONDS - seq) }, (_, index) => seq + index)
      await Promise.all(group.map((one) => home.store({ seq: one, wallUs: startUs + one * SECOND }, payloadOf(one))))
    }
    const path = `/api/v1/cameras/Front-door/export.mp4?from=${startUs / 1000}&to=${startUs / 1000 + SECONDS * 1000}`
    const cookie = await home.signIn()
    for (let round = 0; round < ROUNDS; round += 1) {
      rival.push(await timed(() => copyFiles(home)))
      ours.push(
        await timed(async () => {
          bytes = await download(home, path, cookie)
        }),
      )
    }
  })
  return [
    {
      ...{ name: 'export of one hour at 4 Mbit/s', unit: 's', ours, rival, rivalName: 'cp of the same bytes' },
      ...{ target: { most: 2 }, by: 'median' },
      notes: [
        `${(bytes / 1e9).toFixed(2)} GB over HTTP into a file, server and receiver in one process; neither side syncs`,
      ],
    },
  ]
}

function payloadOf(seq: number) {
  const track = { id: 1, decodeTime: 90_000 + seq * 1000, sampleTicks: 250, sizes: SAMPLES }
  return { init: INIT, fragment: handmadeFragment([track], (seq % 250) + 1) }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const began = performance.now()
  await work()
  return (performance.now() - began) / 1000
}

async function copyFiles({ folder }: WebHome): Promise<void> {
  const camera = (await readdir(join(folder, 'disk'))).find((name) => name === 'Front-door') ?? ''
  const target = join(folder, 'copy')
  const child = spawn('cp', ['-r', join(folder, 'disk', camera), target], { stdio: 'inherit' })
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve))
  if (status !== 0) throw new HomewardError('INTERNAL', `cp ended with ${status}`)
  await rm(target, { recursive: true })
}

async function download({ folder, port }: WebHome, path: string, cookie: string): Promise<number> {
  const target = join(folder, 'export.mp4')
  await new Promise<void>((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, headers: { cookie } }, (response) => {
      if (response.statusCode === 200) pipeline(response, createWriteStream(target)).then(resolve, reject)
      else reject(new HomewardError('INTERNAL', `the export was answered with ${response.statusCode}`))
    }).on('error', reject)
  })
  const { size } = await stat(target)
  await rm(target)
  return size
}
