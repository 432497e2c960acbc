/**
 * A camera that streams in a lab, for tests that hurt the network under it: how soon its footage flows again, and whether
 * all of it is stored in the end, once.
 */

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { readFrameNumbers } from '../../firmware/camera/encoder/frame-numbers.ts'
import { initRing } from '../../firmware/camera/ring/marker.ts'
import { frameFaults, type StoredFrame, type VerifyAnswer } from '../../firmware/cli/test-home.ts'
import { until } from '../../firmware/cli/until-fixture.ts'
import type { ChannelPath } from '../../firmware/link/channel.ts'
import { RealDisk } from '../../firmware/platform/disk-real.ts'
import { HomewardError } from '../../firmware/wire/errors.ts'
import { Lab } from './lab.ts'
import { type CameraStatus, LabHome } from './lab-home.ts'
import { LabProgram } from './lab-program.ts'
import { topologyNamed } from './topologies.ts'

const NAME = 'camera'
export const GOP = 4
/** Short fragments, five in a second: a stall of a fraction of a second is seen. */
export const LIGHT_SOURCE = `fake:fps=20,gop=${GOP},size=128x64,bitrate=200000`
export const HEAVY_SOURCE = `fake:fps=20,gop=${GOP},size=128x64,bitrate=4000000`
const RING_BYTES = 256 * 1024 * 1024
/** Each look costs both processes a little, and many labs stand at once. */
const POLL_MS = 20
const DRAINED_WITHIN_MS = 60_000

/** What is read of `camera status` here. */
export interface StreamStatus extends CameraStatus {
  readonly seq: { readonly captured: number; readonly acked: number; readonly lost: number }
  readonly ring: { readonly unackedBytes: number }
}

export interface Recovery {
  readonly tookMs: number
  /** The path at the end of it. */
  readonly path: ChannelPath | null
  readonly why: string
}

export class StreamingHome {
  readonly lab: Lab
  readonly home: LabHome
  readonly #source: string
  #camera: LabProgram | undefined

  private constructor(lab: Lab, source: string) {
    this.lab = lab
    this.home = new LabHome(lab)
    this.#source = source
  }

  /** Runs `use` with a camera that is paired and has stored something; the lab is gone afterwards. */
  static async with(topology: string, source: string, use: (home: StreamingHome) => Promise<void>): Promise<void> {
    const streaming = new StreamingHome(await Lab.create(topologyNamed(topology)), source)
    try {
      await streaming.#start()
      await use(streaming)
    } finally {
      await streaming.#camera?.kill()
      await streaming.home.close()
      streaming.lab.close()
    }
  }

  get camera(): LabProgram {
    if (this.#camera === undefined) throw new HomewardError('INTERNAL', 'the camera was never started')
    return this.#camera
  }

  async status(): Promise<StreamStatus> {
    return (await this.camera.call('status')) as StreamStatus
  }

  /** Polls until `holds`; throws TIMED_OUT with the last status when it takes longer. */
  until(what: string, holds: (status: StreamStatus) => boolean, withinMs: number): Promise<StreamStatus> {
    const told = ({ state, path, seq, lastAttempt }: StreamStatus) => ({ state, path, seq, lastAttempt })
    return until(() => this.status(), holds, { what, withinMs, pollMs: POLL_MS, told })
  }

  /** Until it streams on one and the same channel of this path for so long. */
  async settled(path: ChannelPath, forMs: number, withinMs = 60_000): Promise<void> {
    const holds = (status: StreamStatus) => status.path === path && (status.forMs ?? 0) >= forMs
    await this.until(`on path ${path} for ${forMs} ms`, holds, withinMs)
  }

  /** From now until a fragment is ACKed that is captured from now on. Throws TIMED_OUT with the camera's status. */
  async flowsAgain(withinMs: number): Promise<Recovery> {
    const startMs = performance.now()
    const { captured } = (await this.status()).seq
    const holds = ({ seq }: StreamStatus) => seq.acked > captured
    const { path, lastAttempt } = await this.until('ACKed again', holds, withinMs)
    return { tookMs: Math.round(performance.now() - startMs), path, why: lastAttempt?.why ?? '' }
  }

  /**
   * Stops capturing, and asserts that each frame captured is stored once, and that `storage verify --deep` finds nothing.
   * Resolves with their number.
   */
  async isExact(): Promise<number> {
    await this.camera.call('stop-capture')
    const { seq } = await this.until('drained', ({ ring }) => ring.unackedBytes === 0, DRAINED_WITHIN_MS)
    assert.equal([seq.acked, seq.lost], [seq.captured, 0], 'each fragment is ACKed, none is lost')
    const verified = await this.verify()
    assert.equal([verified.damaged, verified.missing, verified.unindexed, verified.gaps], [[], [], [], []])
    const { counts, faults } = frameFaults(await this.storedFrames())
    assert.equal(faults, [], 'the run is whole from its first frame on')
    assert.is(counts.size, 1, 'one run of the encoder')
    const [stored = 0] = counts.values()
    // The last fragment may have ended early.
    const most = seq.captured * GOP
    assert.ok(stored > most - GOP && stored <= most, `${stored} frames stored of ${seq.captured} fragments`)
    return stored
  }

  /** Again, when the one before has ended. Resolves once it can be asked. */
  async startCamera(): Promise<LabProgram> {
    const flags = ['--source', this.#source, '--ring', this.#ring, '--listen', '0.0.0.0:0']
    const camera = new LabProgram(this.lab, NAME, ['camera', 'run', ...flags])
    this.#camera = camera
    await camera.ready()
    return camera
  }

  async verify(): Promise<VerifyAnswer> {
    return (await this.home.program('storage').call('verify', { deep: true })) as VerifyAnswer
  }

  async #start(): Promise<void> {
    await this.home.startServer()
    await this.home.startStorage()
    await initRing(new RealDisk(), this.#ring, { capacityBytes: RING_BYTES })
    const camera = await this.startCamera()
    const { setupCode } = (await this.home.program('storage').call('pair', { name: NAME })) as { setupCode: string }
    await camera.call('setup', { code: setupCode, name: NAME })
    await this.until('paired', ({ seq }) => (seq?.acked ?? 0) > 0, 30_000)
  }

  get #ring(): string {
    return join(this.lab.folder, `${NAME}-card`)
  }

  /** Every frame the fake encoder numbered, in every file, earlier footage first. */
  async storedFrames(): Promise<StoredFrame[]> {
    const disk = join(this.lab.folder, 'disk')
    const frames: StoredFrame[] = []
    for (const path of (await readdir(disk, { recursive: true })).sort()) {
      if (!path.endsWith('.mp4')) continue
      for (const { runId, frame } of readFrameNumbers(await readFile(join(disk, path)))) frames.push({ runId, frame })
    }
    return frames
  }
}
