/** A device's button. */

export interface Button {
  /** Called with every change, true when it is pressed. */
  onChange(listener: (pressed: boolean) => void): void
  /** Idempotent. */
  close(): Promise<void>
}
