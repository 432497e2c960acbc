/** What delivers footage: a camera's own encoder behind ffmpeg, or the fake one. */

/** Takes what an encoder run delivers. */
export interface EncoderOutput {
  /**
   * The next bytes of one fragmented MP4 stream, cut anywhere. The memory belongs to the receiver from here on. A
   * promise asks an encoder that is not bound to real time to give nothing more before it resolves; a real-time one is
   * never given a promise, for the world does not wait.
   */
  chunk(bytes: Uint8Array): Promise<void> | undefined
}

export interface Encoder {
  /** For status and logs; holds no secrets. */
  readonly describe: string
  /** False when it runs as fast as its output takes it; such a one is held back, never dropped from. */
  readonly realTime: boolean
  /**
   * One unbroken run: `ftyp`+`moov`, then fragments that start on key frames. Resolves when the footage is over for good
   * (a finite source) or, after `signal` aborts, once the encoder has stopped, which takes at most 3 s. Rejects with
   * FFMPEG_MISSING, SOURCE_MISSING, SOURCE_UNREADABLE or ENCODER_ENDED.
   */
  run(output: EncoderOutput, signal: AbortSignal): Promise<void>
}
