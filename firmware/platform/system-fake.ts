import type { System } from './system.ts'

export class FakeSystem implements System {
  readonly done: string[] = []
  /** What the next call rejects with. */
  failure: Error | undefined

  async release(): Promise<ReadonlyMap<string, string>> {
    return new Map([
      ['PRETTY_NAME', 'Homeward 0.1.0'],
      ['BUILD_ID', 'test'],
    ])
  }

  applyNetwork(): Promise<void> {
    return this.#did('network')
  }

  reboot(): Promise<void> {
    return this.#did('reboot')
  }

  async #did(what: string): Promise<void> {
    if (this.failure !== undefined) throw this.failure
    this.done.push(what)
  }
}
