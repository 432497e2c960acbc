/** One picture of a moment, decoded by a hidden video element and drawn onto a canvas: works without HTTPS, unlike WebCodecs. */
import { HomewardError } from '../../../wire/errors.ts'
import { STILL_TIME_HEADER } from '../../web/constants.ts'
import { cameraPath, send } from '../net/api.ts'

/** A browser that cannot decode it does not always say so. */
const DECODE_MS = 4000

/** Draws the last key frame at or before `atMs`, the newest when undefined. Resolves with its time. */
export async function drawStill(
  camera: string,
  atMs: number | undefined,
  canvas: HTMLCanvasElement,
  signal: AbortSignal,
): Promise<number> {
  const query = atMs === undefined ? '' : `?at=${Math.round(atMs)}`
  const response = await send(`${cameraPath(camera)}/still${query}`, { signal })
  const shownMs = Number(response.headers.get(STILL_TIME_HEADER))
  const url = URL.createObjectURL(await response.blob())
  const video = document.createElement('video')
  video.muted = true
  video.playsInline = true
  video.preload = 'auto'
  try {
    await decoded(video, url, signal)
    canvas.width = video.videoWidth
    canvas.height = video.videoHeight
    canvas.getContext('2d')?.drawImage(video, 0, 0)
    return shownMs
  } finally {
    video.removeAttribute('src')
    video.load()
    URL.revokeObjectURL(url)
  }
}

function decoded(video: HTMLVideoElement, url: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = () => {
      window.clearTimeout(timer)
      reject(new HomewardError('MEDIA_MALFORMED', 'this browser cannot show this picture'))
    }
    const timer = window.setTimeout(fail, DECODE_MS)
    video.addEventListener('error', fail, { once: true })
    video.addEventListener(
      'loadeddata',
      () => {
        window.clearTimeout(timer)
        if (video.videoWidth === 0) fail()
        else resolve()
      },
      { once: true },
    )
    signal.addEventListener('abort', fail, { once: true })
    video.src = url
  })
}

/** Stills of a moment that keeps moving: one request at a time, always for the newest wish. */
export class Scrubber {
  readonly #camera: string
  readonly #canvas: HTMLCanvasElement
  #wantedMs: number | undefined
  #running = false
  readonly #ended = new AbortController()

  constructor(camera: string, canvas: HTMLCanvasElement) {
    this.#camera = camera
    this.#canvas = canvas
  }

  show(ms: number): void {
    this.#wantedMs = ms
    if (!this.#running) void this.#run()
  }

  /** Idempotent. */
  close(): void {
    this.#wantedMs = undefined
    this.#ended.abort()
  }

  async #run(): Promise<void> {
    this.#running = true
    while (this.#wantedMs !== undefined) {
      const ms = this.#wantedMs
      this.#wantedMs = undefined
      // No picture there, or none that can be shown: the one before stays, and the timeline says what is the matter.
      await drawStill(this.#camera, ms, this.#canvas, this.#ended.signal).catch(() => undefined)
    }
    this.#running = false
  }
}
