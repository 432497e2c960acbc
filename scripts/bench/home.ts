/** A home for benches: the built programs on loopback, and what a bench asks a camera. */
import { rm } from 'node:fs/promises'
import type { Program } from '../../firmware/cli/program.ts'
import { type CameraStatus, TestHome } from '../../firmware/cli/test-home.ts'
import { until } from '../../firmware/cli/until-fixture.ts'

export interface BenchStatus extends CameraStatus {
  readonly ring: CameraStatus['ring'] & { readonly writtenBytes: number; readonly capturedBytes: number }
  readonly ackDelay: { readonly count: number; readonly p50Ms: number; readonly p99Ms: number }
}

const POLL_MS = 100
/** Before a camera films, it is asked more often: the clock starts with its first fragment. */
const POLL_FIRST_MS = 20

export class BenchHome {
  readonly home: TestHome

  private constructor(home: TestHome) {
    this.home = home
  }

  /** Server and storage device are up. */
  static async open(flags: readonly string[] = []): Promise<BenchHome> {
    const home = await TestHome.create()
    try {
      await home.startServer()
      await home.startStorage(['--log-level', 'warn', ...flags])
    } catch (error) {
      await home.close()
      throw error
    }
    return new BenchHome(home)
  }

  get storage(): Program {
    return this.home.program('storage')
  }

  /** A camera that is paired already when it starts to film `source`. */
  async startCamera(name: string, source: string, flags: readonly string[] = []): Promise<Program> {
    const first = await this.home.startCamera(name, 'fake:frames=5,gop=5,speed=max', flags)
    await this.home.pair(name)
    await this.until(name, 'paired', ({ seq }) => seq.acked > 0, 30_000)
    await first.stop()
    return this.home.startCamera(name, source, flags)
  }

  async status(name: string): Promise<BenchStatus> {
    return (await this.home.program(name).call('status')) as BenchStatus
  }

  until(name: string, what: string, holds: (status: BenchStatus) => boolean, withinMs: number): Promise<BenchStatus> {
    const pollMs = ({ seq }: BenchStatus) => (seq.captured > 0 ? POLL_MS : POLL_FIRST_MS)
    return until(() => this.status(name), holds, { what: `${what} (${name})`, withinMs, pollMs })
  }

  /** Ends the camera cleanly and removes its card. */
  async endCamera(name: string): Promise<void> {
    await this.home.program(name).stop()
    await rm(this.home.ring(name), { recursive: true, force: true })
  }

  close(): Promise<void> {
    return this.home.close()
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
