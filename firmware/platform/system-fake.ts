import type { System } from './system.ts'

export class FakeSystem implements System {
  readonly done: string[] = []
  /** What the next call rejects with. */
  failure: Error | undefined
  diskLines: readonly string[] = []
  update: string | undefined
  /** A disk so large that nobody waits for it. */
  slow = false

  async release(): Promise<ReadonlyMap<string, string>> {
    return new Map([
      ['PRETTY_NAME', 'Homeward 0.1.0'],
      ['BUILD_ID', 'test'],
    ])
  }

  async updateNote(): Promise<string | undefined> {
    return this.update
  }

  applyNetwork(): Promise<void> {
    return this.#did('network')
  }

  async disks(): Promise<readonly string[]> {
    if (this.failure !== undefined) throw this.failure
    return this.diskLines
  }

  async prepareDisk(device: string, erase: boolean): Promise<'ready' | 'working'> {
    await this.#did(`prepare ${device}${erase ? ' erasing' : ''}`)
    return this.slow ? 'working' : 'ready'
  }

  reboot(): Promise<void> {
    return this.#did('reboot')
  }

  async #did(what: string): Promise<void> {
    if (this.failure !== undefined) throw this.failure
    this.done.push(what)
  }
}
