/** One of the programs as a process on a node of a lab. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Program } from '../../firmware/cli/program.ts'
import type { Lab } from './lab.ts'

/** What is shipped is what is tested: the built program. */
const BUILT = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
/** How long it takes to come up is measured. */
const READY_POLL_MS = 10

export class LabProgram extends Program {
  /** `performance.now()` of its start. */
  readonly startedMs: number

  /** Starts `homeward ARGS… --state STATE` on the node of its own name, state and log in the lab's folder. */
  constructor(lab: Lab, name: string, args: readonly string[]) {
    const startedMs = performance.now()
    super(name, args, join(lab.folder, name), join(lab.folder, `${name}.log`), {
      main: BUILT,
      nodeFlags: [],
      // `ip netns exec` turns into the program.
      launch: (command) => lab.on(name, command),
      pollMs: READY_POLL_MS,
    })
    this.startedMs = startedMs
  }

  /** As when its power is cut. */
  async kill(): Promise<void> {
    if (this.running) this.signal('SIGKILL')
    await this.exited
  }
}
