/**
 * The storage device's side of first contact: which enrol datagrams are answered, and how a camera is forgotten. What is
 * refused gets silence on the wire, and a line here, because only the owner at the storage device may know why.
 */
import type { Clock } from '../platform/clock.ts'
import { equalBytes, fromHex } from '../wire/bytes.ts'
import { isHomewardError } from '../wire/errors.ts'
import type { Camera, CameraList } from './cameras.ts'
import { type EnrolRequest, openEnrol } from './enrolment.ts'
import type { Identity } from './identity.ts'
import { TokenKeys } from './pair.ts'
import { Peer, type PeerTable } from './peer.ts'
import type { FreshnessSource } from './replay.ts'
import type { ReplayStore } from './replay-store.ts'
import type { TokenStore } from './tokens.ts'
import { formatUid } from './uid.ts'

/** Enrol datagrams cost public-key work once their tag is known; nobody needs more of them than this in one second. */
const OPENINGS_PER_SECOND = 20

/** Refused attempts kept for the owner to read. */
const REFUSALS_KEPT = 20

export interface Refusal {
  readonly why: 'TOKEN_EXPIRED' | 'TOKEN_USED'
  /** UID of the camera that tried. */
  readonly camera: string
  /** What it wanted to be called. */
  readonly name: string
  /** Wall time in µs of the latest attempt. */
  readonly atUs: number
  /** A camera goes on trying: attempts for the same reason are one entry. */
  readonly attempts: number
}

export interface EnrolmentDeskOptions {
  readonly identity: Identity
  readonly tokens: TokenStore
  readonly cameras: CameraList
  readonly peers: PeerTable
  readonly replay: ReplayStore
  readonly source: FreshnessSource
  readonly clock: Clock
  /** Folders under the archive's root, so that no new camera gets an old one's. */
  readonly takenFolders?: () => Promise<readonly string[]>
  /** Told once for each camera and reason. */
  readonly onRefusal?: (refusal: Refusal) => void
}

export class EnrolmentDesk {
  readonly #options: EnrolmentDeskOptions
  readonly #refusals: Refusal[] = []
  readonly #counts = { enrolled: 0, repeated: 0, TOKEN_EXPIRED: 0, TOKEN_USED: 0 }
  /** Token hashes of enrolled cameras by short tag, and the list they were made from. */
  #tagged = new Map<string, string>()
  #taggedFor: readonly Camera[] | undefined
  #second = 0
  #openings = 0
  #working: Promise<unknown> = Promise.resolve()

  /** Puts a peer for every enrolled camera into `peers`. */
  constructor(options: EnrolmentDeskOptions) {
    this.#options = options
    for (const camera of options.cameras.enrolled()) this.#answerTo(camera.key)
  }

  /** Newest first. */
  get refusals(): readonly Refusal[] {
    return this.#refusals
  }

  /** Since start. */
  get counts(): Readonly<Record<'enrolled' | 'repeated' | Refusal['why'], number>> {
    return this.#counts
  }

  /**
   * Handles an enrol datagram. Resolves with the answer to send back, once the enrolment is durable; with undefined when
   * there is to be silence. Rejects only when the state folder cannot be written.
   */
  receive(datagram: Uint8Array): Promise<Uint8Array | undefined> {
    const request = this.#open(datagram)
    if (request === undefined) return Promise.resolve(undefined)
    return this.#inTurn(() => this.#enrol(request))
  }

  /** Stops answering the camera, for good as far as its old setup code goes. Throws CAMERA_UNKNOWN. */
  forget(key: Uint8Array): Promise<Camera> {
    const { tokens, cameras, peers, replay, clock } = this.#options
    return this.#inTurn(async () => {
      // In this order: after a crash in between the camera is still enrolled, and can be forgotten again.
      await tokens.revoke(key)
      const camera = await cameras.forget(key, clock.wallUs())
      for (const peer of peers.values()) if (equalBytes(peer.remote, key)) peers.remove(peer)
      replay.reset(key)
      return camera
    })
  }

  #open(datagram: Uint8Array): EnrolRequest | undefined {
    return openEnrol(this.#options.identity, datagram, (tag) => {
      const tokenHash = this.#tokenHash(tag)
      return tokenHash === undefined || !this.#mayOpen() ? undefined : fromHex(tokenHash)
    })
  }

  /** Of a window in whatever state, or of a camera that enrolled in one that is gone. */
  #tokenHash(tag: string): string | undefined {
    const window = this.#options.tokens.find(tag)?.window
    if (window !== undefined) return window.tokenHash
    const { cameras } = this.#options
    if (this.#taggedFor !== cameras.all()) {
      this.#taggedFor = cameras.all()
      const hashes = cameras.enrolled().map((camera) => camera.tokenHash)
      this.#tagged = new Map(hashes.map((tokenHash) => [new TokenKeys(fromHex(tokenHash)).shortTagHex, tokenHash]))
    }
    return this.#tagged.get(tag)
  }

  #mayOpen(): boolean {
    const second = Math.floor(this.#options.clock.monoUs() / 1_000_000)
    if (second !== this.#second) this.#openings = 0
    this.#second = second
    this.#openings += 1
    return this.#openings <= OPENINGS_PER_SECOND
  }

  async #enrol(request: EnrolRequest): Promise<Uint8Array | undefined> {
    const { cameras, replay } = this.#options
    const known = cameras.get(request.camera)
    const isRepeat = known?.forgottenUs === undefined && known?.tokenHash === request.tokenHash
    if (!isRepeat) {
      const claim = await this.#claim(request)
      if (claim === undefined) return undefined
      // A fresh token proves more than a number does: a camera that lost its count is believed again.
      if (claim === 'claimed') replay.reset(request.camera)
    }
    const window = replay.windowFor(request.camera)
    if (!window.accept(request.fresh)) return undefined
    const camera = isRepeat ? known : await this.#add(request)
    this.#counts[isRepeat ? 'repeated' : 'enrolled'] += 1
    return this.#answerTo(request.camera).seal({ type: 'enrolled', tx: request.tx, name: camera.name })
  }

  async #claim({ tokenHash, camera, name }: EnrolRequest): Promise<'claimed' | 'repeated' | undefined> {
    try {
      return await this.#options.tokens.claim(tokenHash, camera)
    } catch (error) {
      if (!isHomewardError(error, 'TOKEN_USED', 'TOKEN_EXPIRED')) throw error
      const why = error.code === 'TOKEN_USED' ? 'TOKEN_USED' : 'TOKEN_EXPIRED'
      this.#refuse({ why, camera: formatUid(camera), name, atUs: this.#options.clock.wallUs(), attempts: 1 })
      return undefined
    }
  }

  async #add({ camera, tokenHash, name }: EnrolRequest): Promise<Camera> {
    const { tokens, cameras, clock, takenFolders } = this.#options
    const given = tokens.list().find(({ window }) => window.tokenHash === tokenHash)?.window.name
    // A camera that comes back keeps the name it has here, unless its owner gave a new one with the code.
    const wish = given ?? (cameras.get(camera) === undefined ? name : '')
    const taken = (await takenFolders?.()) ?? []
    return cameras.enrol({ key: camera, name: wish, tokenHash, enrolledUs: clock.wallUs(), takenFolders: taken })
  }

  #refuse(refusal: Refusal): void {
    this.#counts[refusal.why] += 1
    const at = this.#refusals.findIndex(({ why, camera }) => why === refusal.why && camera === refusal.camera)
    const [earlier] = at < 0 ? [] : this.#refusals.splice(at, 1)
    this.#refusals.unshift({ ...refusal, attempts: (earlier?.attempts ?? 0) + 1 })
    this.#refusals.splice(REFUSALS_KEPT)
    if (earlier === undefined) this.#options.onRefusal?.(refusal)
  }

  /** The camera's peer in the table; made anew when its replay window was reset. */
  #answerTo(key: Uint8Array): Peer {
    const { identity, peers, replay, source } = this.#options
    const window = replay.windowFor(key)
    for (const peer of peers.values()) if (equalBytes(peer.remote, key) && peer.replay === window) return peer
    const peer = new Peer(identity, key, source, window)
    peers.add(peer)
    return peer
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#working.then(work)
    this.#working = done.catch(() => {})
    return done
  }
}
