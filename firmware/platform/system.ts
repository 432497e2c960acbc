/** The machine itself, as far as a board's agent may act on it. */

export interface System {
  /** NAME=value lines of os-release(5), unquoted. */
  release(): Promise<ReadonlyMap<string, string>>
  /** Applies network settings that were written; rejects with what the tool said. */
  applyNetwork(): Promise<void>
  /** Stops everything cleanly and starts the machine again. */
  reboot(): Promise<void>
}
