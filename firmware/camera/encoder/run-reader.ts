/** The stream of one encoder run, from bytes to fragments with run number and time. */
import type { MediaFragment } from '../../media/fragment.ts'
import { type InitSegment, videoTrack } from '../../media/init.ts'
import { FragmentSplitter, type SplitterSink } from '../../media/splitter.ts'
import type { CapturedFragment, CaptureGap } from './captured.ts'
import type { Stamper } from './stamper.ts'

/** The next run number, shared by the runs of one capture. */
export interface RunCounter {
  next: number
}

export interface RunOutput {
  /** False when it was not handed on. */
  fragment(fragment: CapturedFragment): boolean
  gap(gap: CaptureGap): void
}

export class RunReader {
  readonly #splitter: FragmentSplitter
  readonly #stamper: Stamper
  readonly #counter: RunCounter
  readonly #output: RunOutput
  #init: InitSegment | undefined
  /** Given with the first fragment, so that starts that deliver nothing take no number. */
  #run: number | undefined
  #handedOn = false
  #ended = false

  constructor(stamper: Stamper, counter: RunCounter, output: RunOutput) {
    this.#stamper = stamper
    this.#counter = counter
    this.#output = output
    const sink: SplitterSink = {
      init: (init) => this.#startRun(init),
      fragment: (fragment) => this.#fragment(fragment),
      skipped: (bytes, why) => this.#skipped(bytes, why),
    }
    this.#splitter = new FragmentSplitter(sink)
  }

  get run(): number | undefined {
    return this.#run
  }

  push(bytes: Uint8Array): void {
    this.#splitter.push(bytes)
  }

  /** The encoder has ended: what is left of a fragment becomes a gap. */
  end(): void {
    this.#ended = true
    this.#splitter.end()
  }

  /** A second init segment in one stream means that what wrote it started anew. */
  #startRun(init: InitSegment): void {
    this.#init = init
    this.#run = undefined
    this.#handedOn = false
    this.#stamper.newRun()
  }

  #fragment(fragment: MediaFragment): void {
    const init = this.#init
    if (init === undefined) {
      this.#skipped(fragment.bytes.byteLength, 'a fragment without an init segment')
      return
    }
    if (this.#run === undefined) {
      this.#run = this.#counter.next
      this.#counter.next += 1
    }
    const timed = videoTrack(init) ?? init.tracks[0]
    const part = fragment.tracks.find((track) => track.id === timed?.id) ?? fragment.tracks[0]
    const timescale = init.tracks.find((track) => track.id === part?.id)?.timescale ?? 1
    const streamUs = ((part?.decodeTime ?? 0) * 1e6) / timescale
    const stamp = this.#stamper.stamp(streamUs, fragment.durationUs)
    const handedOn = this.#output.fragment({ init, fragment, run: this.#run, runStart: !this.#handedOn, ...stamp })
    this.#handedOn ||= handedOn
  }

  #skipped(bytes: number, why: string): void {
    const reason = this.#ended ? 'encoder-ended' : 'encoder-damaged'
    const run = this.#run ?? this.#counter.next
    this.#output.gap({ run, reason, span: 1, detail: `${bytes} bytes: ${why}`, ...this.#stamper.here() })
  }
}
