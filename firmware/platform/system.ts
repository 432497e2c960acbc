/** The machine itself, as far as a board's agent may act on it. */

export interface System {
  /** NAME=value lines of os-release(5), unquoted. */
  release(): Promise<ReadonlyMap<string, string>>
  /** One sentence about the last update when the machine went back from it, and why. */
  updateNote(): Promise<string | undefined>
  /** Applies network settings that were written; rejects with what the tool said. */
  applyNetwork(): Promise<void>
  /** The disks that may take footage, a line for each, as `homeward-disk list` prints them. */
  disks(): Promise<readonly string[]>
  /**
   * Makes a disk ready for footage; one with anything on it only with `erase`. Resolves when it is ready, or with `working`
   * when that takes long and goes on by itself. Rejects with DISK_WRONG and what stands in the way.
   */
  prepareDisk(device: string, erase: boolean): Promise<'ready' | 'working'>
  /** Stops everything cleanly and starts the machine again. */
  reboot(): Promise<void>
}
