/** The camera agent: unprovisioned it waits for a setup code, then it films. */
import { nextBoot } from '../link/boot-count.ts'
import { type Identity, loadIdentity } from '../link/identity.ts'
import { PairingFile } from '../link/pairing.ts'
import { FreshnessSource } from '../link/replay.ts'
import { parseSetupCode, type SetupCode } from '../link/setup-code.ts'
import { UdxPort } from '../link/udx-port.ts'
import { formatUid } from '../link/uid.ts'
import { kernelBootId } from '../platform/clock-real.ts'
import { equalBytes } from '../wire/bytes.ts'
import { HomewardError } from '../wire/errors.ts'
import { parseSource } from './encoder/source.ts'
import { Filming, type FilmingParts } from './filming.ts'
import type { Ring } from './ring/ring.ts'
import type { AgentBase, CameraSettings } from './settings.ts'

export type { CameraSettings } from './settings.ts'

export class CameraAgent {
  readonly settings: CameraSettings
  readonly identity: Identity
  readonly boot: string
  readonly base: AgentBase
  readonly #parts: FilmingParts
  #filming: Filming | undefined
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

  /** Rejects with what stands in the way; then nothing is left open. */
  static async start(settings: CameraSettings, base: AgentBase): Promise<CameraAgent> {
    const { log, clock } = base
    parseSource(settings.source)
    const identity = await loadIdentity(settings.state)
    const pairingFile = await PairingFile.open(settings.state)
    const source = new FreshnessSource(await nextBoot(settings.state, clock))
    const port = new UdxPort(settings.listen)
    const agent = new CameraAgent(settings, base, { identity, boot: kernelBootId(), source, port, pairingFile })
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

  /**
   * Takes a setup code and films for its storage device from now on. Throws SETUP_CODE_INVALID; RECORDS_WAITING when the
   * ring holds footage for another storage device that is not safe, unless `discard`.
   */
  setUp(text: string, name: string, discard: boolean): Promise<{ storage: string }> {
    const done = this.#changing.then(async () => {
      const code = parseSetupCode(text)
      const current = this.pairing
      const same = current !== undefined && equalBytes(current.storage, code.storage)
      if (!same) for (const ring of this.#filming?.recorder.rings ?? []) await giveUpOthers(ring, code, discard)
      await this.#parts.pairingFile.setup(code, name)
      await this.#filming?.close()
      this.#filming = undefined
      await this.#film()
      return { storage: formatUid(code.storage) }
    })
    this.#changing = done.catch(() => undefined)
    return done
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
    this.#filming = await Filming.start(this.settings, pairing, this.#parts, this.base)
    this.base.log.info({ camera: this.identity.uid, storage: formatUid(pairing.storage), source, ring }, 'filming')
  }
}

/** Throws RECORDS_WAITING while `ring` holds footage for another storage device than the code's, unless `discard`. */
export async function giveUpOthers(ring: Ring, code: SetupCode, discard: boolean): Promise<void> {
  const others = ring.logs().filter(({ recipient }) => !equalBytes(recipient, code.storage))
  const [first] = others
  if (first === undefined) return
  if (!discard) {
    throw new HomewardError(
      'RECORDS_WAITING',
      `footage for the storage device ${formatUid(first.recipient)} is not safe yet and only that one can open it`,
      { hint: 'Wait until it has been sent, or give it up for good with --discard.' },
    )
  }
  await ring.discard(code.storage)
}
