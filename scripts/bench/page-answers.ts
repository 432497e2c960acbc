/** How soon the built storage program answers what its page asks, over HTTP, in another process. */
import { mkdir, open } from 'node:fs/promises'
import { Agent } from 'node:http'
import { dirname, join } from 'node:path'
import type { Cameras, Timeline } from '../../firmware/storage/web/api.ts'
import { HomewardError } from '../../firmware/wire/errors.ts'
import type { Owner } from './owner.ts'
import type { Month } from './page-month.ts'
import { figure, type Row, spreadOf } from './row.ts'

const TIMES = 20
const LIMIT_MS = { timeline: 50, cameras: 50, playlist: 100, fragment: 50 } as const
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

export async function pageAnswers({ home, owner, cameras: count, dayMs }: Month): Promise<Row[]> {
  const agent = new Agent({ keepAlive: true })
  try {
    const list = await repeated(TIMES, () => owner.ask('/api/v1/cameras', agent))
    const { cameras } = JSON.parse(String(list[0]?.body)) as Cameras
    if (cameras.length !== count) throw new HomewardError('INTERNAL', `${cameras.length} cameras are listed`)
    const below = (index: number) => `/api/v1/cameras/${cameras[index % cameras.length]?.id}`
    // Of another camera each time, so that none is warm.
    const timelines = await repeated(TIMES, (index) =>
      owner.ask(`${below(index)}/timeline?from=${dayMs}&to=${dayMs + DAY_MS}`, agent),
    )
    const { spans } = JSON.parse(String(timelines[0]?.body)) as Timeline
    if (spans[0]?.state !== 'stored') throw new HomewardError('INTERNAL', 'the timeline of that day is empty')
    const noonMs = dayMs + 12 * HOUR_MS
    const playlists = await repeated(TIMES, (index) =>
      owner.ask(`${below(index)}/playlist.m3u8?from=${noonMs}&to=${noonMs + HOUR_MS}&times=stored`, agent),
    )
    const fragments = await firstBytes(owner, agent, home.disk, below(0), String(playlists[0]?.body))
    const row = (name: string, most: number, ours: readonly number[], notes: readonly string[] = []): Row => ({
      ...{ name, unit: 'ms', ours, rival: [most], rivalName: 'limit', target: { most: 1 }, by: 'worst', notes },
    })
    const whole = (asked: readonly { readonly tookMs: number }[]) => asked.map(({ tookMs }) => tookMs)
    const kilobytes = (asked: readonly { readonly body: Buffer }[]) =>
      `${figure(spreadOf(asked.map(({ body }) => body.byteLength / 1000)).median)} kB each`
    return [
      row('page: timeline of a day', LIMIT_MS.timeline, whole(timelines), [
        `over HTTP, one after the other, ${TIMES} times, each of another camera, ${kilobytes(timelines)}`,
      ]),
      row('page: list of cameras', LIMIT_MS.cameras, whole(list), [kilobytes(list)]),
      row('page: playlist of an hour', LIMIT_MS.playlist, whole(playlists), [kilobytes(playlists)]),
      row(
        'page: first byte of a segment',
        LIMIT_MS.fragment,
        fragments.map(({ firstMs }) => firstMs),
        [`${kilobytes(fragments)}, of sparse files`],
      ),
    ]
  } finally {
    agent.destroy()
  }
}

async function repeated<T>(times: number, work: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = []
  for (let index = 0; index < times; index += 1) results.push(await work(index))
  return results
}

/** The index is made of rows alone: the files of the hour are made here, of the size that it says. */
async function firstBytes(owner: Owner, agent: Agent, root: string, below: string, playlist: string) {
  const segments = [...playlist.matchAll(/#EXT-X-BYTERANGE:(\d+)@(\d+)\n(media\/\S+)/g)]
  const wanted = segments.filter((_, index) => index % Math.ceil(segments.length / TIMES) === 0)
  for (const [, , , name = ''] of wanted) {
    const [start = '', log = '', seq = ''] = name.replace('media/', '').replace('.mp4', '').split('-')
    const iso = new Date(Number.parseInt(start, 36) / 1000).toISOString()
    const folder = `Camera/${iso.slice(0, 10)}/${iso.slice(11, 13)}`
    const path = join(root, folder, `${iso.slice(14, 23)}Z.${log}-${Number.parseInt(seq, 36)}.mp4`)
    await mkdir(dirname(path), { recursive: true })
    const file = await open(path, 'a')
    await file.truncate(1_000_000_000)
    await file.close()
  }
  return repeated(wanted.length, (index) => {
    const [, bytes, offset, name] = wanted[index] ?? []
    const range = `bytes=${offset}-${Number(offset) + Number(bytes) - 1}`
    return owner.ask(`${below}/${name}`, agent, { range })
  })
}
