/** One MediaSource whose timeline is the time of day: gaps stay gaps, and files of any format lie where they belong. */
import { HomewardError } from '../../../wire/errors.ts'
import { codecName } from '../media/codec.ts'
import type { Segment } from '../media/playlist.ts'
import { hideFragmentTracks, type Init, readInit, readPictures } from '../media/samples.ts'
import { send } from '../net/api.ts'

/** iPhones have only this one (Media Source Extensions 2, §ManagedMediaSource). */
type MediaSourceClass = typeof MediaSource
const managed = (globalThis as { ManagedMediaSource?: MediaSourceClass }).ManagedMediaSource
const Source: MediaSourceClass | undefined = globalThis.MediaSource ?? managed

export const canPlay = (mime: string): boolean => Source?.isTypeSupported(mime) === true

export interface Range {
  readonly fromMs: number
  readonly toMs: number
}

const INITS_MAX = 64

export class MediaBuffer {
  readonly #video: HTMLVideoElement
  readonly #source: MediaSource
  readonly #url: string
  readonly #baseMs: number
  readonly #opened: Promise<void>
  #buffer: SourceBuffer | undefined
  readonly #inits = new Map<string, Promise<Init>>()
  /** Where time 0 of each file lies. */
  readonly #zeroMs = new Map<string, number>()
  #current: Init | undefined
  readonly #appended = new Map<string, Range>()
  #shownMs: number[] = []

  /** `baseMs`: nothing earlier is ever put in. Throws CONFIG_INVALID where the browser cannot. */
  constructor(video: HTMLVideoElement, baseMs: number) {
    if (Source === undefined) {
      throw new HomewardError('CONFIG_INVALID', 'this browser cannot play footage piece by piece', {
        hint: 'Take a current Firefox, Chrome, Edge or Safari, or export the span.',
      })
    }
    this.#video = video
    this.#baseMs = baseMs
    this.#source = new Source()
    this.#url = URL.createObjectURL(this.#source)
    if (Source === managed) video.disableRemotePlayback = true
    this.#opened = new Promise((resolve) =>
      this.#source.addEventListener('sourceopen', () => resolve(), { once: true }),
    )
    video.src = this.#url
  }

  get hasSound(): boolean {
    return this.#current?.hasSound === true
  }

  get positionMs(): number {
    return this.#baseMs + this.#video.currentTime * 1000
  }

  set positionMs(ms: number) {
    this.#video.currentTime = (ms - this.#baseMs) / 1000
  }

  get ranges(): Range[] {
    const { buffered } = this.#video
    return Array.from({ length: buffered.length }, (_, at) => ({
      fromMs: this.#baseMs + buffered.start(at) * 1000,
      toMs: this.#baseMs + buffered.end(at) * 1000,
    }))
  }

  /** When pictures are shown, as far as they are buffered, ascending. */
  get shownMs(): readonly number[] {
    return this.#shownMs
  }

  has(segment: Segment): boolean {
    return this.#appended.has(segment.key)
  }

  /** Throws CANCELLED, FORMAT_CHANGES when the browser cannot play this codec, and what the device answers. */
  async add(segments: readonly Segment[], signal: AbortSignal): Promise<void> {
    const [first] = segments
    const last = segments.at(-1)
    if (first === undefined || last === undefined) return
    const end = last.offset + last.bytes - 1
    const [init, bytes] = await Promise.all([
      this.#initOf(first, signal),
      fetchRange(first.url, first.offset, end, signal),
      this.#opened,
    ])
    signal.throwIfAborted()
    const buffer = await this.#prepared(init)
    const pictures = readPictures(bytes, init)
    const zeroMs = this.#zeroMs.get(first.url) ?? first.startMs - pictures.decodeS * 1000
    this.#zeroMs.set(first.url, zeroMs)
    const startMs = zeroMs + pictures.decodeS * 1000
    hideFragmentTracks(bytes, init)
    buffer.timestampOffset = (zeroMs - this.#baseMs) / 1000
    await updated(buffer, () => buffer.appendBuffer(bytes))
    for (const { key, durationMs, startMs: fromMs } of segments) {
      this.#appended.set(key, { fromMs, toMs: fromMs + durationMs })
    }
    const shown = pictures.shownS.map((at) => startMs + at * 1000)
    this.#shownMs = [...this.#shownMs, ...shown].sort((a, b) => a - b)
  }

  /** Forgets what lies outside. */
  async keep({ fromMs, toMs }: Range): Promise<void> {
    const buffer = this.#buffer
    if (buffer === undefined || this.#source.readyState !== 'open') return
    const outside = this.ranges.filter((range) => range.fromMs < fromMs - 1000 || range.toMs > toMs + 1000)
    if (outside.length === 0) return
    const [start, end] = [(fromMs - this.#baseMs) / 1000, (toMs - this.#baseMs) / 1000]
    if (start > 0) await updated(buffer, () => buffer.remove(0, start))
    await updated(buffer, () => buffer.remove(end, Number.POSITIVE_INFINITY))
    for (const [key, range] of this.#appended) {
      if (range.fromMs < fromMs || range.toMs > toMs) this.#appended.delete(key)
    }
    this.#shownMs = this.#shownMs.filter((at) => at >= fromMs && at <= toMs)
  }

  /** Idempotent. */
  close(): void {
    if (this.#video.src === this.#url) {
      this.#video.removeAttribute('src')
      this.#video.load()
    }
    URL.revokeObjectURL(this.#url)
  }

  async #prepared(init: Init): Promise<SourceBuffer> {
    if (!canPlay(init.mime)) {
      throw new HomewardError('FORMAT_CHANGES', `this browser cannot play ${codecName(init.videoCodec)}`)
    }
    if (this.#buffer === undefined) {
      this.#buffer = this.#source.addSourceBuffer(init.mime)
      this.#source.duration = 10 * 24 * 3600
    } else if (this.#current?.mime !== init.mime) this.#buffer.changeType(init.mime)
    const buffer = this.#buffer
    if (this.#current !== init) await updated(buffer, () => buffer.appendBuffer(init.bytes as BufferSource))
    this.#current = init
    return buffer
  }

  #initOf({ initUrl, initBytes }: Segment, signal: AbortSignal): Promise<Init> {
    const known = this.#inits.get(initUrl)
    if (known !== undefined) return known
    const found = fetchRange(initUrl, 0, initBytes - 1, signal).then((bytes) => readInit(bytes, canPlay))
    this.#inits.set(initUrl, found)
    found.catch(() => this.#inits.delete(initUrl))
    if (this.#inits.size > INITS_MAX) {
      const [oldest] = this.#inits.keys()
      if (oldest !== undefined) this.#inits.delete(oldest)
    }
    return found
  }
}

/** Both inclusive. */
async function fetchRange(
  url: string,
  first: number,
  last: number,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const response = await send(url, { headers: { range: `bytes=${first}-${last}` }, signal })
  return new Uint8Array(await response.arrayBuffer())
}

function updated(buffer: SourceBuffer, start: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (error?: HomewardError) => {
      buffer.removeEventListener('updateend', onEnd)
      buffer.removeEventListener('error', onError)
      if (error === undefined) resolve()
      else reject(error)
    }
    const onEnd = () => end()
    const onError = () => end(new HomewardError('MEDIA_MALFORMED', 'the browser could not read this piece of footage'))
    buffer.addEventListener('updateend', onEnd)
    buffer.addEventListener('error', onError)
    try {
      start()
    } catch (error) {
      buffer.removeEventListener('updateend', onEnd)
      buffer.removeEventListener('error', onError)
      reject(error)
    }
  })
}
