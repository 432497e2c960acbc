/** Measures of a video picture. */

export interface PictureSize {
  /** Luma samples. */
  readonly width: number
  readonly height: number
}

/** Frames per second as a fraction. */
export interface FrameRate {
  readonly frames: number
  readonly perSeconds: number
}
