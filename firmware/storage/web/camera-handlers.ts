/** Cameras, and what they recorded. */
import type { FastifyRequest } from 'fastify'
import { HomewardError } from '../../wire/errors.ts'
import type { StorageAgent } from '../agent.ts'
import type { Archive } from '../archive/archive.ts'
import type { Camera } from './api.ts'
import { exportAnswer, exportSummary, HLS, mediaAnswer, spanPlaylist, stillAnswer } from './footage.ts'
import { queryToken } from './gate.ts'
import type { Handlers } from './handlers.ts'
import type { LivePlaylists } from './live.ts'
import { findCamera } from './look.ts'
import { parseMoment, parseSpan } from './moments.ts'
import type { Monitor } from './monitor.ts'
import { locksOf } from './retention-handlers.ts'
import { timelineSpans, undatedBoots } from './timeline.ts'

const HOUR_MS = 3_600_000
/** A day that is 25 hours long, and some. */
const PLAYLIST_MAX_MS = 26 * HOUR_MS
const TIMELINE_MAX_MS = 62 * 24 * HOUR_MS
/** The tables in front of it are built in memory. */
const EXPORT_MAX_MS = 26 * HOUR_MS
/** Each one reads as fast as the disk lets it, and the footage that comes in needs the disk too. */
const EXPORTS_MAX = 4
/** A player asks again by itself. */
const HOLD_MS = 6_000

export interface CameraParts {
  readonly agent: StorageAgent
  readonly monitor: Monitor
  readonly live: LivePlaylists
}

const toMs = (us: number) => Math.max(0, Math.round(us / 1000))

export function cameraHandlers({ agent, monitor, live }: CameraParts) {
  const find = (text: string | undefined) => findCamera(agent, text ?? '')
  const archive = () => agent.archive.archive
  const exports = { running: 0 }

  const shown = async (id: string): Promise<Camera> => {
    const camera = monitor.cameras(await monitor.look()).find((one) => one.id === id)
    if (camera === undefined) throw new HomewardError('CAMERA_UNKNOWN', 'there is no such camera')
    return camera
  }

  return {
    'GET /api/v1/cameras': async () => monitor.camerasAnswer(await monitor.look()),
    'GET /api/v1/cameras/{camera}': ({ params }) => shown(find(params.camera).uid),
    'PATCH /api/v1/cameras/{camera}': async ({ params, body }) => {
      const { key } = agent.cameras.find(params.camera ?? '')
      return shown((await agent.cameras.rename(key, body.name)).uid)
    },
    'POST /api/v1/cameras/{camera}/forget': async ({ params }) => {
      const { key, uid, name } = agent.cameras.find(params.camera ?? '')
      await agent.desk.forget(key)
      agent.log.info({ camera: uid, name }, 'a camera was forgotten')
      return shown(uid)
    },
    'GET /api/v1/cameras/{camera}/timeline': ({ params, query }) => {
      const { key } = find(params.camera)
      const { fromUs, toUs } = parseSpan(query, TIMELINE_MAX_MS)
      const nowMs = toMs(agent.clock.wallUs())
      const span = { fromMs: toMs(fromUs), toMs: toMs(toUs) }
      const { spans, undated } = archive().timeline(key, fromUs, toUs)
      const shown = { spans: timelineSpans(spans), undated: undatedBoots(undated) }
      return { ...span, nowMs, ...shown, locks: locksOf(agent, key) }
    },
    'GET /api/v1/cameras/{camera}/playlist.m3u8': ({ params, query, request }) =>
      spanPlaylist(
        archive(),
        find(params.camera),
        parseSpan(query, PLAYLIST_MAX_MS),
        query.times ?? 'joined',
        tokenQuery(request),
      ),
    'GET /api/v1/cameras/{camera}/live.m3u8': async ({ params, query, request, signal }) => {
      const { key } = find(params.camera)
      const playlist = live.of(key, agent.clock.wallUs())
      playlist.update(archive(), key)
      const wanted = query._HLS_msn === undefined ? undefined : Number(query._HLS_msn)
      if (wanted !== undefined) {
        playlist.checkNumber(wanted)
        await heldUntil(agent, key, signal, () => {
          playlist.update(archive(), key)
          return playlist.lastNumber >= wanted
        })
      }
      if (playlist.isStale(agent.clock.wallUs())) {
        throw new HomewardError('SPAN_EMPTY', 'there is no footage of the last two minutes', {
          hint: 'The status of the camera says why.',
        })
      }
      return { headers: { 'content-type': HLS }, body: playlist.text(query.times ?? 'joined', tokenQuery(request)) }
    },
    'GET /api/v1/cameras/{camera}/media/{file}': ({ params, query: { start, at }, request }) => {
      const place = start === undefined || at === undefined ? undefined : { start: Number(start), atUs: Number(at) }
      return mediaAnswer(archive(), find(params.camera), params.file ?? '', request.headers.range, place)
    },
    'GET /api/v1/cameras/{camera}/still': ({ params, query }) => {
      const { key } = find(params.camera)
      const newestUs = archive().lastFile(key, Number.MAX_SAFE_INTEGER)?.row.endUs ?? 0
      const atUs = query.at === undefined ? newestUs : parseMoment('at', query.at)
      return stillAnswer(archive(), find(params.camera), atUs)
    },
    'GET /api/v1/cameras/{camera}/export': async ({ params, query, signal }) => {
      const camera = find(params.camera)
      const span = parseSpan(query, EXPORT_MAX_MS)
      return exportSummary(camera, span, await archive().planFilm({ camera: camera.key, ...span, signal }))
    },
    'GET /api/v1/cameras/{camera}/export.mp4': async ({ params, query, signal }) => {
      const camera = find(params.camera)
      const span = parseSpan(query, EXPORT_MAX_MS)
      if (exports.running >= EXPORTS_MAX) {
        throw new HomewardError('TOO_MANY', `${EXPORTS_MAX} exports are running already`, {
          hint: 'Wait until one of them has ended.',
        })
      }
      if (!signal.aborted) {
        exports.running += 1
        signal.addEventListener('abort', () => {
          exports.running -= 1
        })
      }
      const kept: Archive = archive()
      return exportAnswer(kept, camera, span, await kept.planFilm({ camera: camera.key, ...span, signal }), signal)
    },
  } satisfies Partial<Handlers>
}

/** A player that got the playlist by a token in its URL gets the rest the same way. */
function tokenQuery(request: FastifyRequest): string {
  const token = queryToken(request)
  return token === undefined ? '' : `token=${encodeURIComponent(token)}`
}

/** Until `holds`, asked again with each fragment of the camera that is stored; or for so long that a player asks again. */
function heldUntil(agent: StorageAgent, key: Uint8Array, signal: AbortSignal, holds: () => boolean): Promise<void> {
  if (holds()) return Promise.resolve()
  return new Promise((resolve, reject) => {
    const end = (error?: unknown) => {
      timer.cancel()
      stop()
      signal.removeEventListener('abort', onAbort)
      if (error === undefined) resolve()
      else reject(error instanceof Error ? error : new Error(String(error)))
    }
    const onAbort = () => end()
    const stop = agent.traffic.onStored((camera) => {
      try {
        if (Buffer.compare(camera, key) === 0 && holds()) end()
      } catch (error) {
        end(error)
      }
    })
    const timer = agent.clock.after(HOLD_MS, () => end())
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
