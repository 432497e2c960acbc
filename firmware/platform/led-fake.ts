import type { Led, LedPattern } from './led.ts'

export class FakeLed implements Led {
  readonly shown: LedPattern[] = []
  closed = false

  show(pattern: LedPattern): void {
    if (this.shown.at(-1) !== pattern) this.shown.push(pattern)
  }

  async close(): Promise<void> {
    this.closed = true
  }
}
