/** The camera agent: unprovisioned it waits for a setup code, then it films. */
import { nextBoot } from '../link/boot-count.ts'
import { type Identity, loadIdentity } from '../link/identity.ts'
import { PairingFile } from '../link/pairing.ts'
import { FreshnessSource } from '../link/replay.ts'
import { parseSetupCode, type SetupCode } from '../link/setup-code.ts'
import { UdxPort } from '../link/udx-port.ts'
import { formatUid } from '../link/uid.ts'
import { kernelBootId } from '../platform/clock-real.ts'
import { RealDisk } from '../platform/disk-real.ts'
import { equalBytes } from '../wire/bytes.ts'
import { HomewardError, isHomewardError } from '../wire/errors.ts'
import { findFfmpeg } from './encoder/ffmpeg-binary.ts'
import { maskUrl, parseSource } from './encoder/source.ts'
import { finishFactoryReset } from './factory-reset.ts'
import { Filming, type FilmingParts } from './filming.ts'
import { readKnownCard } from './known-card.ts'
import { readMarker } from './ring/marker.ts'
import type { Ring } from './ring/ring.ts'
import type { AgentBase, CameraSettings } from './settings.ts'
import { countWaiting, logsForOthers } from './waiting.ts'

export type { CameraSettings } from './settings.ts'

/** On a path that works, what is captured is safe well within this time. */
const SETTLE_WITHIN_MS = 5_000

export class CameraAgent {
  readonly settings: CameraSettings
  readonly identity: Identity
  readonly boot: string
  readonly base: AgentBase
  readonly #parts: FilmingParts
  #filming: Filming | undefined
  #problem: HomewardError | undefined
  /** One change of the pairing at a time. */
  #changing: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | undefined

  private constructor(settings: CameraSettings, base: AgentBase, parts: FilmingParts) {
    this.settings = settings
    this.base = base
    this.identity = parts.identity
    this.boot = parts.boot
    this.#parts = parts
  }

  /**
   * Rejects with what stands in the way and only a person can change: a source of no kind, no ffmpeg, a folder that is no
   * ring. What may come back by itself (a source, a known card, a server) is waited for.
   */
  static async start(settings: CameraSettings, base: AgentBase): Promise<CameraAgent> {
    const { log, clock } = base
    const { state, source, ring } = settings
    if (parseSource(source).kind !== 'fake') await findFfmpeg()
    if (await finishFactoryReset(state)) log.warn('everything was reset, as asked for')
    const identity = await loadIdentity(state)
    const pairingFile = await PairingFile.open(state)
    if (pairingFile.current === undefined) await checkNewRing(state, ring)
    const fresh = new FreshnessSource(await nextBoot(state, clock))
    const port = new UdxPort(settings.listen)
    const parts: FilmingParts = { identity, boot: kernelBootId(), source: fresh, port, pairingFile }
    const agent = new CameraAgent(settings, base, parts)
    try {
      if (pairingFile.current === undefined) {
        log.warn({ camera: identity.uid }, 'not set up: waiting for `homeward camera setup CODE`')
      } else await agent.#film()
    } catch (error) {
      await port.close()
      throw error
    }
    return agent
  }

  get pairing() {
    return this.#parts.pairingFile.current
  }

  get filming(): Filming | undefined {
    return this.#filming
  }

  /** Why a camera that is set up does not film. */
  get problem(): HomewardError | undefined {
    return this.#problem
  }

  /**
   * Takes a setup code and films for its storage device from now on. A new code of the same storage device changes nothing
   * but the way to it. Throws SETUP_CODE_INVALID; RECORDS_WAITING when footage for another storage device is not safe,
   * unless `discard`: then it is given up, and the new storage device gets a gap in its place.
   */
  setUp(text: string, name: string, discard: boolean): Promise<{ storage: string }> {
    const done = this.#changing.then(async () => {
      const code = parseSetupCode(text)
      const current = this.pairing
      const filming = this.#filming
      const stays = current !== undefined && equalBytes(current.storage, code.storage)
      if (filming !== undefined && !stays) await this.#stopFor(filming, code, discard)
      const pairing = await this.#parts.pairingFile.setup(code, name)
      if (filming !== undefined && stays) await filming.reconnect(pairing)
      else {
        await filming?.close()
        this.#filming = undefined
        await this.#film()
      }
      if (discard) await this.#giveUp(code)
      return { storage: formatUid(code.storage) }
    })
    this.#changing = done.catch(() => undefined)
    return done
  }

  /**
   * Forgets the storage device and stops filming. What is on the card stays there, sealed for that storage device: a new
   * code of the same one sends it on, another one's is refused until it is given up.
   */
  unpair(): Promise<void> {
    const done = this.#changing.then(async () => {
      await this.#filming?.close()
      this.#filming = undefined
      this.#problem = undefined
      await this.#parts.pairingFile.clear()
      this.base.log.warn({ camera: this.identity.uid }, 'not set up any more: waiting for a setup code')
    })
    this.#changing = done.catch(() => undefined)
    return done
  }

  /** What the camera asks to be called; the storage device's owner has the last word. Throws NOT_PROVISIONED. */
  async rename(name: string): Promise<void> {
    await this.#parts.pairingFile.wish(name)
  }

  /** Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#changing
    await this.#filming?.close()
    await this.#parts.port.close()
  }

  async #film(): Promise<void> {
    const pairing = this.pairing
    if (pairing === undefined) return
    const { source, ring } = this.settings
    try {
      this.#filming = await Filming.start(this.settings, pairing, this.#parts, this.base)
      this.#problem = undefined
    } catch (error) {
      this.#problem = isHomewardError(error) ? error : undefined
      throw error
    }
    const storage = formatUid(pairing.storage)
    this.base.log.info({ camera: this.identity.uid, storage, source: maskUrl(source), ring }, 'camera agent is up')
  }

  /** Ends capturing for the storage device until now. Throws RECORDS_WAITING; then filming goes on. */
  async #stopFor(filming: Filming, code: SetupCode, discard: boolean): Promise<void> {
    const { recorder, uplink } = filming
    const waits = () => logsForOthers(recorder.rings, code.storage).length > 0
    if (!discard && waits() && !(uplink.status.connected && (await filming.settled(SETTLE_WITHIN_MS)))) {
      throw recordsWaiting(recorder.rings, code)
    }
    await filming.stopCapture()
    if (discard || !waits()) return
    await filming.settled(SETTLE_WITHIN_MS)
    if (!waits()) return
    const refusal = recordsWaiting(recorder.rings, code)
    await filming.close()
    this.#filming = undefined
    await this.#film()
    throw refusal
  }

  async #giveUp(code: SetupCode): Promise<void> {
    const recorder = this.#filming?.recorder
    const fragments = countWaiting(logsForOthers(recorder?.rings ?? [], code.storage))
    if (recorder === undefined || fragments === 0) return
    // The gap first: should the power fail in between, it is entered twice rather than not at all.
    await recorder.missed(fragments, 'discarded')
    for (const ring of recorder.rings) await ring.discard(code.storage)
    this.base.log.warn({ fragments }, 'footage for another storage device was given up')
  }
}

/** Throws RECORDS_WAITING when `rings` hold footage for another storage device than the code's. */
export function refuseOthers(rings: readonly Ring[], code: SetupCode): void {
  if (logsForOthers(rings, code.storage).length > 0) throw recordsWaiting(rings, code)
}

function recordsWaiting(rings: readonly Ring[], code: SetupCode): HomewardError {
  const logs = logsForOthers(rings, code.storage)
  const fragments = countWaiting(logs)
  const owner = logs[0] === undefined ? 'another one' : formatUid(logs[0].recipient)
  return new HomewardError(
    'RECORDS_WAITING',
    `${fragments} ${fragments === 1 ? 'fragment' : 'fragments'} for the storage device ${owner} are not safe yet, and only that one can open them`,
    { hint: 'Wait until they have been sent, or give them up for good with --discard.' },
  )
}

/** A camera that was never set up has no card that could be missing: its folder is right, or wrong. Throws RING_UNMARKED. */
async function checkNewRing(state: string, ring: string | undefined): Promise<void> {
  if (ring !== undefined && (await readKnownCard(state)) !== ring) await readMarker(new RealDisk(), ring)
}
