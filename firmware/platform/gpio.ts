/** GPIO lines as the front panel uses them. Levels are logical: an active-low line is lit or pressed when it is low. */

/** A line is found by the label of its chip and its number there. */
export interface LineSpec {
  /** Label of the chip, such as `pinctrl-bcm2835`: the numbers of gpiochips change from start to start. */
  readonly chip: string
  /** Number of the line on its chip. */
  readonly line: number
  readonly activeLow: boolean
  /** For inputs. */
  readonly pull?: 'up' | 'down'
}

export interface OutputLine {
  set(active: boolean): void
  /** Idempotent. */
  close(): void
}

export interface InputLine {
  read(): boolean
  /** Idempotent. */
  close(): void
}
