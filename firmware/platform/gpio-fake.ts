import type { InputLine, OutputLine } from './gpio.ts'

export class FakeLine implements InputLine, OutputLine {
  active = false
  closed = false
  /** Every level that was set. */
  readonly levels: boolean[] = []

  set(active: boolean): void {
    this.active = active
    this.levels.push(active)
  }

  read(): boolean {
    return this.active
  }

  close(): void {
    this.closed = true
  }
}
