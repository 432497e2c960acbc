/**
 * Cuts the byte stream of `ffmpeg -f mp4 -movflags frag_keyframe+empty_moov+default_base_moof+delay_moov pipe:1` into init
 * segments and fragments while it arrives. Each byte is copied once on the way; at most one fragment is held. One splitter
 * per encoder process.
 *
 * A pipe does not lose bytes, but what writes into it may print into it or start anew: whatever is not a box that can
 * stand here is skipped up to the next `ftyp` or `moof` that looks like one inside as well, and reported. An mdat is taken
 * only when its size agrees with the samples its moof lists, so that a wrong size cannot swallow the fragments behind it.
 *
 * The one thing changed on the way: a track that begins later than the others (sound of an RTSP source, often) has an empty
 * edit in ffmpeg's init segment, which would delay it again in every file that begins later in the run. It is taken out,
 * and the track's decode times get its length instead, so that all times of a run lie on one line.
 */
import { unfilled } from '../wire/bytes.ts'
import { isHomewardError } from '../wire/errors.ts'
import { FRAGMENT_MAX_BYTES } from '../wire/limits.ts'
import { printable, readBoxHeader } from './boxes.ts'
import { ByteQueue } from './byte-queue.ts'
import { withoutEmptyEdits } from './edits.ts'
import { malformed } from './fields.ts'
import { checkData, type FragmentHead, type MediaFragment, parseMoof } from './fragment.ts'
import { type InitSegment, parseInit } from './init.ts'
import { restoreFragment, type TimeBase } from './rebase.ts'
import { bytesToCandidate, nextBox } from './stream-box.ts'

/** Called from within `push` and `end`. Bytes handed over belong to the sink. */
export interface SplitterSink {
  init(init: InitSegment): void
  fragment(fragment: MediaFragment): void
  /** So many bytes of the stream, in one piece, went into nothing above. */
  skipped(bytes: number, why: string): void
}

type State =
  | { readonly at: 'box' }
  | { readonly at: 'init'; readonly buffer: Uint8Array; filled: number }
  | { readonly at: 'moof'; readonly buffer: Uint8Array; filled: number; readonly run: Run }
  | { readonly at: 'between'; readonly moof: Uint8Array; readonly head: FragmentHead }
  | { readonly at: 'mdat'; readonly buffer: Uint8Array; filled: number; readonly head: FragmentHead }
  /** Passing over a whole box; `why` is undefined for one that need not be reported. */
  | { readonly at: 'pass'; remaining: number; passed: number; readonly why: string | undefined }
  /** Looking for the next box; the byte at hand may start one. */
  | { readonly at: 'scan'; passed: number; readonly why: string }

/** What the last init segment said. */
interface Run {
  readonly init: InitSegment
  /** To be added to the tracks' decode times; empty when there is nothing to add. */
  readonly delays: readonly TimeBase[]
}

/** Bytes of an mdat that no sample claims. ffmpeg leaves none. */
const UNCLAIMED_MAX_BYTES = 4096

export class FragmentSplitter {
  readonly #sink: SplitterSink
  readonly #queue = new ByteQueue()
  #state: State = { at: 'box' }
  #run: Run | undefined

  constructor(sink: SplitterSink) {
    this.#sink = sink
  }

  /** Takes the next bytes, cut anywhere. `chunk` may be used again afterwards. */
  push(chunk: Uint8Array): void {
    this.#queue.push(chunk)
    while (this.#step()) {
      // Each step consumes bytes or changes the state towards one that does.
    }
    this.#queue.detach()
  }

  /** The stream has ended: what is held of an unfinished box is reported as skipped. */
  end(): void {
    const state = this.#state
    const held = heldBytes(state) + this.#queue.skip(this.#queue.length)
    const why = 'why' in state && state.why !== undefined ? state.why : 'the stream ended inside a box'
    this.#state = { at: 'box' }
    if (held > 0 && !(state.at === 'pass' && state.why === undefined)) this.#sink.skipped(held, why)
  }

  /** False when more bytes are needed. */
  #step(): boolean {
    const state = this.#state
    switch (state.at) {
      case 'box':
        return this.#stepBox()
      case 'scan':
        return this.#stepScan(state)
      case 'between':
        return this.#stepBetween(state.moof, state.head)
      case 'pass': {
        const passed = this.#queue.skip(state.remaining)
        state.remaining -= passed
        state.passed += passed
        if (state.remaining > 0) return false
        if (state.why !== undefined) this.#sink.skipped(state.passed, state.why)
        this.#state = { at: 'box' }
        return true
      }
      default:
        state.filled += this.#queue.moveInto(state.buffer, state.filled)
        if (state.filled < state.buffer.byteLength) return false
        this.#collected(state)
        return true
    }
  }

  #stepBox(): boolean {
    const next = nextBox(this.#queue)
    switch (next.is) {
      case 'unknown':
        return false
      case 'init':
        this.#state = { at: 'init', buffer: new Uint8Array(next.sizeBytes), filled: 0 }
        return true
      case 'moof':
        if (this.#run === undefined) this.#scan(this.#queue.skip(1), 'a fragment without an init segment before it')
        else this.#state = { at: 'moof', buffer: new Uint8Array(next.sizeBytes), filled: 0, run: this.#run }
        return true
      case 'quiet':
        this.#state = { at: 'pass', remaining: next.sizeBytes, passed: 0, why: undefined }
        return true
      case 'garbage':
        this.#scan(this.#queue.skip(1), next.why)
        return true
    }
  }

  #scan(passed: number, why: string): void {
    this.#state = { at: 'scan', passed, why }
  }

  #stepScan(state: Extract<State, { at: 'scan' }>): boolean {
    state.passed += this.#queue.skip(bytesToCandidate(this.#queue))
    const next = nextBox(this.#queue)
    if (next.is === 'unknown') return false
    if (next.is === 'init' || next.is === 'moof') {
      this.#sink.skipped(state.passed, state.why)
      this.#state = { at: 'box' }
      return true
    }
    state.passed += this.#queue.skip(1)
    if (state.passed >= FRAGMENT_MAX_BYTES) {
      this.#sink.skipped(state.passed, state.why)
      state.passed = 0
    }
    return true
  }

  #collected(state: Extract<State, { at: 'init' | 'moof' | 'mdat' }>): void {
    const { buffer } = state
    this.#state = { at: 'box' }
    if (state.at === 'mdat') {
      const { keyFrame, durationUs, tracks } = state.head
      this.#sink.fragment({ bytes: buffer, keyFrame, durationUs, tracks })
      return
    }
    try {
      if (state.at === 'moof') {
        const { init, delays } = state.run
        const moof = delays.length === 0 ? buffer : restoreFragment(buffer, delays)
        this.#state = { at: 'between', moof, head: parseMoof(moof, init) }
        return
      }
      // Whatever comes of it, an older init segment does not fit what follows.
      this.#run = undefined
      this.#run = readRun(buffer)
    } catch (error) {
      this.#rescan(buffer, error)
      return
    }
    this.#sink.init(this.#run.init)
  }

  /** What looked like a box was none: its own size cannot be trusted, so look for the next one inside it too. */
  #rescan(buffer: Uint8Array, error: unknown): void {
    if (!isHomewardError(error, 'MEDIA_MALFORMED')) throw error
    this.#queue.unshift(buffer.subarray(1))
    this.#scan(1, error.message)
  }

  /** A moof has been read; its mdat must follow. */
  #stepBetween(moof: Uint8Array, head: FragmentHead): boolean {
    const probe = this.#queue.peek(Math.min(16, this.#queue.length))
    let mdatBytes: number
    try {
      const header = probe === undefined ? undefined : readBoxHeader(probe)
      if (header === undefined) return false
      if (header.type !== 'mdat') throw malformed(`a moof without its mdat, found ${printable(header.type)}`)
      mdatBytes = header.sizeBytes
      const end = moof.byteLength + mdatBytes
      checkData(head, moof.byteLength + header.headerBytes, end)
      if (end - head.dataEnd > UNCLAIMED_MAX_BYTES) {
        throw malformed(`an mdat of ${mdatBytes} bytes for samples that end at ${head.dataEnd - moof.byteLength}`)
      }
    } catch (error) {
      if (!isHomewardError(error, 'MEDIA_MALFORMED')) throw error
      this.#scan(moof.byteLength, error.message)
      return true
    }
    const total = moof.byteLength + mdatBytes
    if (total > FRAGMENT_MAX_BYTES) {
      const why = `a fragment of ${total} bytes, expected at most ${FRAGMENT_MAX_BYTES}: use a shorter key frame interval`
      this.#state = { at: 'pass', remaining: mdatBytes, passed: moof.byteLength, why }
      return true
    }
    const buffer = unfilled(total)
    buffer.set(moof)
    this.#state = { at: 'mdat', buffer, filled: moof.byteLength, head }
    return true
  }
}

function readRun(bytes: Uint8Array): Run {
  const init = parseInit(bytes)
  if (init.tracks.every((track) => (track.edit?.delayTicks ?? 0) === 0)) return { init, delays: [] }
  const delays = init.tracks.map((track) => ({ track: track.id, ticks: track.edit?.delayTicks ?? 0 }))
  return { init: parseInit(withoutEmptyEdits(bytes)), delays }
}

/** Bytes of the stream that the state itself holds or has passed over unreported. */
function heldBytes(state: State): number {
  switch (state.at) {
    case 'box':
      return 0
    case 'between':
      return state.moof.byteLength
    case 'pass':
    case 'scan':
      return state.passed
    default:
      return state.filled
  }
}
