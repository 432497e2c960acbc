import type { Watchdog } from './watchdog.ts'

export class FakeWatchdog implements Watchdog {
  readonly timeoutSeconds: number
  pets = 0
  closed = false

  constructor(timeoutSeconds = 30) {
    this.timeoutSeconds = timeoutSeconds
  }

  pet(): void {
    this.pets += 1
  }

  async close(): Promise<void> {
    this.closed = true
  }
}
