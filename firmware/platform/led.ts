/** A device's LED: what it can say, and how each is shown. docs/front-panel.md has the same table for owners. */

export const LED_PATTERNS = {
  /** The programs are starting. */
  boot: { onMs: 1000, offMs: 1000 },
  'not-set-up': { onMs: 200, offMs: 800 },
  connecting: { onMs: 200, offMs: 200 },
  /** All is well: footage is safe. */
  online: { onMs: 1000, offMs: 0 },
  /** The same, for owners who want it dark. */
  dark: { onMs: 0, offMs: 1000 },
  error: { onMs: 100, offMs: 100 },
  /** The button was held long enough to reset; letting go does it. */
  'reset-armed': { onMs: 0, offMs: 1000 },
  /** Held long enough for a factory reset; also while any reset is under way. */
  resetting: { onMs: 50, offMs: 50 },
} as const satisfies Record<string, Blink>

/** Lit and dark in turns; one of them 0: no change. */
export interface Blink {
  readonly onMs: number
  readonly offMs: number
}

export type LedPattern = keyof typeof LED_PATTERNS

export interface Led {
  /** Shows it until another one is shown. An LED that fails is no reason to stop: it is told of once, by `onTrouble`. */
  show(pattern: LedPattern): void
  /** Leaves the LED dark. Idempotent. */
  close(): Promise<void>
}
