/** The board's watchdog: it resets the board when it is not petted in time. */

export interface Watchdog {
  /** Seconds after which an unpetted watchdog resets the board, as the hardware took it. */
  readonly timeoutSeconds: number
  pet(): void
  /** Disarms it, so that stopping the program on purpose is no hang. Idempotent. */
  close(): Promise<void>
}
