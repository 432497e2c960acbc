/** The sample table of one track of an ordinary MP4 (ISO/IEC 14496-12 §8.6, §8.7), built sample by sample. Pure. */
import { box, fullBox } from '../../media/boxes.ts'
import { u32, u64 } from '../../media/fields.ts'
import { NumberList, RunList } from './number-list.ts'
import type { Sample } from './samples.ts'

export class SampleTable {
  readonly #sizes = new NumberList()
  readonly #deltas = new RunList()
  readonly #compositions = new RunList()
  readonly #syncs = new NumberList()
  readonly #chunkSamples = new RunList()
  /** For each chunk: samples, sample description. */
  readonly #chunks: { readonly samples: number; readonly description: number; readonly offset: number }[] = []
  #reordered = false
  #negative = false
  #lastTicks = 0
  #lastDuration = 0
  #shownUntil = 0
  #firstTicks: number | undefined

  get samples(): number {
    return this.#sizes.length
  }

  /** Decode time of the first sample. */
  get firstTicks(): number {
    return this.#firstTicks ?? 0
  }

  /** Where the last sample ends. */
  get endTicks(): number {
    return this.#lastTicks + this.#lastDuration
  }

  /** When the last picture has been shown, on the scale of decode times; with B-frames later than its decoding ends. */
  get shownUntilTicks(): number {
    return this.#shownUntil
  }

  /**
   * Adds samples that lie at `offset` behind the start of the media data, the first decoded at `ticks`. A sample lasts
   * until the next one, so that the time to a later one is filled; times that would not rise are made to.
   */
  add(samples: readonly Sample[], ticks: number, description: number, offset: number): void {
    if (samples.length === 0) return
    let at = ticks
    for (const sample of samples) {
      if (this.#firstTicks === undefined) this.#firstTicks = at
      else {
        at = Math.max(at, this.#lastTicks + 1)
        this.#deltas.push(at - this.#lastTicks)
      }
      this.#sizes.push(sample.bytes)
      this.#compositions.push(sample.compositionTicks)
      if (sample.compositionTicks !== 0) this.#reordered = true
      if (sample.compositionTicks < 0) this.#negative = true
      if (sample.sync) this.#syncs.push(this.#sizes.length)
      this.#lastTicks = at
      this.#lastDuration = sample.durationTicks
      this.#shownUntil = Math.max(this.#shownUntil, at + sample.compositionTicks + sample.durationTicks)
      at += sample.durationTicks
    }
    this.#chunks.push({ samples: samples.length, description, offset })
    this.#chunkSamples.push(samples.length)
  }

  /** The `stbl`; `dataStart` is where the media data begins in the file. Its size does not depend on `dataStart`. */
  build(stsd: Uint8Array, dataStart: number): Uint8Array {
    const deltas = new RunList()
    deltas.push(this.#lastDuration)
    const stts = fullBox('stts', 0, 0, u32(this.#deltas.runs + 1), this.#deltas.bytes(), deltas.bytes())
    const version = this.#negative ? 1 : 0
    const ctts = fullBox('ctts', version, 0, u32(this.#compositions.runs), this.#compositions.bytes())
    const stss = fullBox('stss', 0, 0, u32(this.#syncs.length), this.#syncs.bytes())
    return box(
      'stbl',
      stsd,
      stts,
      ...(this.#reordered ? [ctts] : []),
      // Without it every sample is a sync sample.
      ...(this.#syncs.length < this.samples ? [stss] : []),
      this.#stsc(),
      fullBox('stsz', 0, 0, u32(0), u32(this.samples), this.#sizes.bytes()),
      fullBox('co64', 0, 0, u32(this.#chunks.length), ...this.#chunks.map(({ offset }) => u64(dataStart + offset))),
    )
  }

  #stsc(): Uint8Array {
    const changes = this.#chunks.flatMap(({ samples, description }, index) => {
      const before = this.#chunks[index - 1]
      const same = before?.samples === samples && before.description === description
      return same ? [] : [u32(index + 1), u32(samples), u32(description)]
    })
    return fullBox('stsc', 0, 0, u32(changes.length / 3), ...changes)
  }
}
