/** Plays a camera's footage from any moment, over files and gaps, and what it films now. */
import { HomewardError, isHomewardError } from '../../../wire/errors.ts'
import { mergeSegments, parsePlaylist, type Segment } from '../media/playlist.ts'
import { cameraPath, isCancelled, send } from '../net/api.ts'
import { MediaBuffer, type Range } from './buffer.ts'

export interface PlayerState {
  readonly positionMs: number
  /** The person wants it to run. */
  readonly playing: boolean
  readonly live: boolean
  readonly waiting: boolean
  readonly rate: number
  readonly hasSound: boolean
  readonly error: unknown
  /** What was jumped over last. */
  readonly jumped: { readonly fromMs: number; readonly toMs: number } | undefined
  /** There is nothing behind this. */
  readonly ended: boolean
}

export interface PlayerOptions {
  readonly video: HTMLVideoElement
  readonly camera: string
  /** The first moment at or after this one with footage, as far as is known. */
  readonly nextStored: (ms: number) => number | undefined
  readonly onState: (state: PlayerState) => void
}

/** Asked for at once: enough to play on, a small answer. */
const WINDOW_MS = 5 * 60_000
/** A key frame interval may be this long. */
const BEFORE_MS = 15_000
const AHEAD_MS = 12_000
const AHEAD_MAX_MS = 90_000
const BEHIND_MS = 20_000
/** Pieces of one file are fetched together, but the first after a jump, which is waited for. */
const TOGETHER_BYTES = 4_000_000
const TICK_MS = 100
/** Less than this is no gap: stamps come from arrival times. */
const GAP_MS = 700
/** The last picture of a piece ends a little before or behind what its times say; a browser stops at its start. */
const EDGE_MS = 30
const STALLED_EDGE_MS = 350
/** A browser that plays faster than this stops earlier: it wants pictures for some time ahead of it. */
const STALLED_RATE = 4
const BASE_BEFORE_MS = 24 * 3600_000
const BASE_AFTER_MS = 8 * BASE_BEFORE_MS
const RETRY_MS = 2000
/** At the end of what there is: how often is looked for more. */
const RELOAD_MS = 2000
/** Behind the end of what has arrived, live: a key frame interval comes at once, so this is what is left to play. */
const LIVE_LATE_MS = 1700
const LIVE_LOST_MS = 4000
const LIVE_HURRY = 1.1

export class Player {
  readonly #options: PlayerOptions
  #buffer: MediaBuffer | undefined
  #baseMs = 0
  #segments: Segment[] = []
  /** What the playlists that were loaded cover. */
  #loaded: { fromMs: number; toMs: number } | undefined
  #loadedAtMs = 0
  #work = new AbortController()
  #timer: number | undefined
  #nextNumber: number | undefined
  #targetMs: number | undefined
  #state: PlayerState = {
    ...{ positionMs: 0, playing: false, live: false, waiting: false, rate: 1, hasSound: false },
    ...{ error: undefined, jumped: undefined, ended: false },
  }

  constructor(options: PlayerOptions) {
    this.#options = options
    this.#timer = window.setInterval(() => this.#tick(), TICK_MS)
    options.video.preservesPitch = true
  }

  get state(): PlayerState {
    return this.#state
  }

  /** Shows this moment, or the next one that there is; plays on when it played. */
  seek(ms: number): void {
    const toMs = this.#options.nextStored(ms) ?? ms
    const jumped = toMs - ms > GAP_MS ? { fromMs: ms, toMs } : undefined
    this.#restart(toMs)
    this.#set({ live: false, waiting: true, error: undefined, ended: false, jumped, positionMs: toMs })
    void this.#run(this.#work.signal)
  }

  goLive(): void {
    this.#restart(Date.now())
    this.#buffer?.close()
    this.#buffer = undefined
    this.#segments = []
    this.#loaded = undefined
    this.#nextNumber = undefined
    this.#targetMs = undefined
    const change = { live: true, playing: true, waiting: true, rate: 1 }
    this.#set({ ...change, error: undefined, ended: false, jumped: undefined })
    void this.#runLive(this.#work.signal)
  }

  play(): void {
    this.#set({ playing: true, ended: false })
    this.#resume()
  }

  pause(): void {
    this.#set({ playing: false })
    this.#options.video.pause()
    // Whoever stops the live picture wants to look at this moment, also in a minute.
    if (this.#state.live) this.seek(this.#state.positionMs)
  }

  setRate(rate: number): void {
    this.#set({ rate })
    this.#options.video.playbackRate = rate
  }

  /** One picture forth or back. */
  step(direction: 1 | -1): void {
    const buffer = this.#buffer
    if (buffer === undefined) return
    if (this.#state.playing) this.pause()
    const { positionMs, shownMs } = buffer
    const at = shownMs.findLastIndex((shown) => shown <= positionMs + 0.5)
    const wanted = shownMs[at + direction]
    if (wanted === undefined || (direction === -1 && at <= 0)) {
      this.seek(direction === -1 ? positionMs - 40 : positionMs + 40)
      return
    }
    // Into the picture, not onto its edge, which rounding may put into the one before.
    buffer.positionMs = wanted + 0.4
    this.#set({ positionMs: buffer.positionMs })
  }

  /** Idempotent. */
  close(): void {
    this.#work.abort()
    window.clearInterval(this.#timer)
    this.#buffer?.close()
    this.#buffer = undefined
  }

  #restart(ms: number): void {
    this.#work.abort()
    this.#work = new AbortController()
    if (this.#buffer === undefined || ms < this.#baseMs || ms > this.#baseMs + BASE_AFTER_MS || this.#state.live) {
      this.#buffer?.close()
      this.#buffer = undefined
      this.#segments = []
      this.#loaded = undefined
    }
    this.#targetMs = ms
  }

  #opened(ms: number): MediaBuffer {
    if (this.#buffer === undefined) {
      this.#baseMs = ms - BASE_BEFORE_MS
      this.#buffer = new MediaBuffer(this.#options.video, this.#baseMs)
      this.#options.video.playbackRate = this.#state.rate
    }
    return this.#buffer
  }

  /** Keeps what is to be played next in the buffer, until something else is wanted. */
  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const idle = await this.#fill(signal)
        if (idle) await pause(TICK_MS, signal)
      } catch (error) {
        if (signal.aborted || isCancelled(error)) return
        this.#set({ error, waiting: false })
        if (!isHomewardError(error, 'STORAGE_UNREACHABLE', 'DISK_MISSING', 'DISK_FAILED')) return
        await pause(RETRY_MS, signal)
        this.#set({ error: undefined })
      }
    }
  }

  /** One step; true when there is nothing to do. */
  async #fill(signal: AbortSignal): Promise<boolean> {
    const buffer = this.#opened(this.#targetMs ?? this.#state.positionMs)
    const atMs = this.#targetMs ?? buffer.positionMs
    const aheadMs = Math.min(AHEAD_MAX_MS, AHEAD_MS * Math.max(1, this.#state.rate))
    const known = this.#loaded
    const isCovered = known !== undefined && atMs >= known.fromMs && atMs <= known.toMs
    const isDue = performance.now() - this.#loadedAtMs > RELOAD_MS
    if (!isCovered || (atMs + aheadMs > known.toMs && isDue)) await this.#load(atMs, signal)
    const wanted = this.#segments.filter(
      ({ startMs, durationMs }) => startMs + durationMs > atMs && startMs < atMs + aheadMs,
    )
    const missing = wanted.findIndex((segment) => !buffer.has(segment))
    const [first] = wanted
    if (missing < 0) {
      this.#arrive(first, false)
      return this.#skip(atMs, wanted)
    }
    await buffer.keep({ fromMs: atMs - BEHIND_MS, toMs: atMs + aheadMs + BEHIND_MS })
    await this.#add(buffer, together(wanted.slice(missing), missing === 0 ? 1 : TOGETHER_BYTES, buffer), signal)
    this.#arrive(first, true)
    return false
  }

  async #add(buffer: MediaBuffer, segments: readonly Segment[], signal: AbortSignal): Promise<void> {
    try {
      await buffer.add(segments, signal)
    } catch (error) {
      if (!(error instanceof DOMException && error.name === 'QuotaExceededError')) throw error
      const atMs = buffer.positionMs
      await buffer.keep({ fromMs: atMs - 2000, toMs: atMs + AHEAD_MS })
      await pause(1000, signal)
    }
    this.#set({ hasSound: buffer.hasSound })
  }

  /** What is wanted has begun to be there: the picture goes there. */
  #arrive(first: Segment | undefined, added: boolean): void {
    const buffer = this.#buffer
    if (this.#targetMs === undefined || buffer === undefined || first === undefined) return
    if (!added && !buffer.has(first)) return
    buffer.positionMs = Math.max(this.#targetMs, first.startMs)
    this.#targetMs = undefined
    this.#resume()
  }

  /** Loads the playlist around or behind `atMs`. */
  async #load(atMs: number, signal: AbortSignal): Promise<void> {
    const known = this.#loaded
    const isNext = known !== undefined && atMs >= known.fromMs && atMs <= known.toMs
    const fromMs = Math.round(isNext ? known.toMs - BEFORE_MS : atMs - BEFORE_MS)
    const toMs = Math.round(Math.max(atMs, isNext ? known.toMs : atMs) + WINDOW_MS)
    const path = `${cameraPath(this.#options.camera)}/playlist.m3u8?from=${fromMs}&to=${toMs}&times=stored`
    const fresh = await send(path, { signal }).then(
      async (response) => parsePlaylist(await response.text(), new URL(response.url).href).segments,
      (error: unknown) => {
        if (isHomewardError(error, 'SPAN_EMPTY')) return []
        throw error
      },
    )
    this.#segments = mergeSegments(isNext ? this.#segments : [], fresh)
    // What is filmed now is not there yet: it is asked for again.
    const settledMs = Math.min(toMs, Math.max(fromMs + BEFORE_MS, Date.now() - BEFORE_MS, lastEnd(fresh)))
    this.#loaded = { fromMs: isNext ? known.fromMs : fromMs, toMs: settledMs }
    this.#loadedAtMs = performance.now()
    if (!isNext && fresh.length === 0) await pause(RELOAD_MS / 4, signal)
  }

  /** Nothing lies where it was to go: on to the next footage, or the end. True when there is nothing to do. */
  #skip(atMs: number, wanted: readonly Segment[]): boolean {
    if (wanted.length > 0 || this.#targetMs === undefined) return true
    const nextMs = this.#segments.find(({ startMs }) => startMs >= atMs)?.startMs ?? this.#options.nextStored(atMs + 1)
    if (nextMs !== undefined && nextMs > atMs) this.#jump(atMs, nextMs)
    else if (!this.#state.ended) this.#set({ ended: true, waiting: false })
    return nextMs === undefined || nextMs <= atMs
  }

  #jump(fromMs: number, toMs: number): void {
    if (toMs - fromMs > GAP_MS) this.#set({ jumped: { fromMs, toMs } })
    this.#targetMs = toMs
  }

  #resume(): void {
    const { video } = this.#options
    video.playbackRate = this.#state.rate
    if (this.#state.playing && this.#targetMs === undefined) {
      void video.play().catch((error: unknown) => {
        // A browser that lets nothing begin by itself: the person has to press play.
        if (error instanceof DOMException && error.name === 'NotAllowedError') this.#set({ playing: false })
      })
    }
  }

  /** Position, gaps that were reached, and how far live is behind. */
  #tick(): void {
    const buffer = this.#buffer
    if (buffer === undefined || this.#targetMs !== undefined) return
    const { video } = this.#options
    const { positionMs, ranges } = buffer
    const stalled = video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA
    const edgeMs = stalled ? STALLED_EDGE_MS * Math.max(1, this.#state.rate / STALLED_RATE) : EDGE_MS
    const here = ranges.find(({ fromMs, toMs }) => fromMs <= positionMs + EDGE_MS && toMs > positionMs + edgeMs)
    if (here === undefined && !video.seeking) this.#overGap(buffer, positionMs, ranges, edgeMs)
    if (this.#state.live) this.#chase(buffer, here?.toMs)
    if (this.#state.playing && video.paused && !video.seeking && !this.#state.ended && here !== undefined)
      this.#resume()
    const waiting = (this.#state.playing && video.readyState < 3 && !this.#state.ended) || video.seeking
    if (waiting !== this.#state.waiting || Math.abs(positionMs - this.#state.positionMs) > 1) {
      this.#set({ positionMs: buffer.positionMs, waiting })
    }
  }

  /** The picture stands at the end of what is buffered: goes on behind the hole, unless there is none. */
  #overGap(buffer: MediaBuffer, positionMs: number, ranges: readonly Range[], edgeMs: number): void {
    const segment = this.#segments.find((one) => one.startMs + one.durationMs > positionMs + edgeMs + EDGE_MS)
    const next = ranges.find(({ fromMs }) => fromMs > positionMs)
    const isNear = segment !== undefined && segment.startMs <= positionMs + edgeMs + EDGE_MS
    // What a browser leaves out in front of a gap is none of it.
    const endMs = ranges.find(({ fromMs, toMs }) => fromMs <= positionMs && toMs > positionMs)?.toMs ?? positionMs
    if (next !== undefined && (segment === undefined || buffer.has(segment))) {
      if (next.fromMs - endMs > GAP_MS) this.#set({ jumped: { fromMs: endMs, toMs: next.fromMs } })
      buffer.positionMs = next.fromMs + 1
      this.#resume()
    } else if (!isNear && this.#state.playing && !this.#state.live) {
      const nextMs = segment?.startMs ?? this.#options.nextStored(positionMs + GAP_MS)
      if (nextMs !== undefined && nextMs > positionMs + edgeMs) this.#jump(endMs, nextMs)
      else if (positionMs < Date.now() - BEFORE_MS) this.#set({ ended: true, waiting: false, playing: false })
    }
  }

  #chase(buffer: MediaBuffer, endMs: number | undefined): void {
    const { video } = this.#options
    if (endMs === undefined) return
    const leftMs = endMs - buffer.positionMs
    if (leftMs > LIVE_LOST_MS) buffer.positionMs = endMs - 1000
    else video.playbackRate = leftMs > LIVE_LATE_MS ? LIVE_HURRY : 1
  }

  async #runLive(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#loadLive(signal)
        const buffer = this.#opened(this.#segments.at(-1)?.startMs ?? Date.now())
        if (this.#nextNumber === undefined) continue
        const atMs = this.#targetMs ?? buffer.positionMs
        for (const segment of this.#segments) {
          if (segment.startMs + segment.durationMs > atMs && !buffer.has(segment))
            await this.#add(buffer, [segment], signal)
        }
        this.#arrive(
          this.#segments.find((segment) => buffer.has(segment)),
          true,
        )
        await buffer.keep({ fromMs: buffer.positionMs - BEHIND_MS, toMs: buffer.positionMs + AHEAD_MAX_MS })
        this.#set({ error: undefined })
      } catch (error) {
        if (signal.aborted || isCancelled(error)) return
        this.#set({ error, waiting: false })
        if (isHomewardError(error, 'FORMAT_CHANGES', 'SIGNED_OUT', 'MEDIA_MALFORMED')) return
        this.#nextNumber = undefined
        await pause(RETRY_MS, signal)
      }
    }
  }

  /** The newest pieces; from the second time on the device answers when there is a new one. */
  async #loadLive(signal: AbortSignal): Promise<void> {
    const query = this.#nextNumber === undefined ? '' : `&_HLS_msn=${this.#nextNumber}`
    const response = await send(`${cameraPath(this.#options.camera)}/live.m3u8?times=stored${query}`, { signal })
    const { segments, nextNumber } = parsePlaylist(await response.text(), new URL(response.url).href)
    const newest = segments.at(-1)
    if (newest === undefined) throw new HomewardError('SPAN_EMPTY', 'nothing has been filmed lately')
    if (this.#nextNumber === undefined) this.#targetMs = newest.startMs
    this.#nextNumber = nextNumber
    this.#segments = [...segments].sort((a, b) => a.startMs - b.startMs)
  }

  #set(change: Partial<PlayerState>): void {
    this.#state = { ...this.#state, ...change }
    this.#options.onState(this.#state)
  }
}

const lastEnd = (segments: readonly Segment[]) =>
  segments.reduce((end, { startMs, durationMs }) => Math.max(end, startMs + durationMs), 0)

/** What follows the first one in its file without a hole, up to so many bytes. */
function together(segments: readonly Segment[], most: number, buffer: MediaBuffer): Segment[] {
  const result: Segment[] = []
  for (const segment of segments) {
    const last = result.at(-1)
    const bytes = segment.offset + segment.bytes - (result[0]?.offset ?? 0)
    const follows = last !== undefined && last.url === segment.url && segment.offset - (last.offset + last.bytes) < 4096
    if (last !== undefined && (!follows || bytes > most || segment.offset < last.offset || buffer.has(segment))) break
    result.push(segment)
  }
  return result
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = window.setTimeout(resolve, ms)
    signal.addEventListener(
      'abort',
      () => {
        window.clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
}
