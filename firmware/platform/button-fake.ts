import type { Button } from './button.ts'

export class FakeButton implements Button {
  readonly #listeners = new Set<(pressed: boolean) => void>()
  closed = false

  onChange(listener: (pressed: boolean) => void): void {
    this.#listeners.add(listener)
  }

  press(): void {
    for (const listener of this.#listeners) listener(true)
  }

  release(): void {
    for (const listener of this.#listeners) listener(false)
  }

  async close(): Promise<void> {
    this.closed = true
  }
}
