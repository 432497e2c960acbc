/** All that runs once the camera knows its storage device: capture → seal → ring → uplink, and the link beneath. */
import { CameraLink } from '../link/camera-link.ts'
import { CameraServer } from '../link/camera-server.ts'
import type { Channel } from '../link/channel.ts'
import type { Identity } from '../link/identity.ts'
import { PairKeys, tokenTags } from '../link/pair.ts'
import type { Pairing, PairingFile } from '../link/pairing.ts'
import { pathReason } from '../link/path-reason.ts'
import type { FreshnessSource } from '../link/replay.ts'
import { LogSealer } from '../link/seal.ts'
import { ServerAddresses } from '../link/server-addresses.ts'
import type { UdxPort } from '../link/udx-port.ts'
import { Changes, withoutNumbers } from '../platform/changes.ts'
import { sleep } from '../platform/clock.ts'
import { RealDisk } from '../platform/disk-real.ts'
import { errorLine, type HomewardError } from '../wire/errors.ts'
import { AckDelay } from './ack-delay.ts'
import { Capture, type CaptureState } from './encoder/capture.ts'
import { createEncoder, maskUrl, parseSource } from './encoder/source.ts'
import { readKnownCard, rememberCard } from './known-card.ts'
import { type LinkProblem, LinkWatch } from './link-watch.ts'
import { Recorder } from './recorder.ts'
import { MemoryRing } from './ring/memory-ring.ts'
import { openRing, type Ring } from './ring/ring.ts'
import type { AgentBase, CameraSettings } from './settings.ts'
import { forgetUnsent, noteUnsent, readUnsent } from './unsent.ts'
import { Uplink } from './uplink.ts'

/** Ten seconds at 16 Mbit/s, for the time until a card is back. */
const MEMORY_RING_BYTES = 24 * 1024 * 1024

/** What is in memory only gets this long at the end: the agent must be gone within 5 s. */
const LAST_CHANCE_MS = 1_000
const LOOK_EVERY_MS = 100

export interface FilmingParts {
  readonly identity: Identity
  readonly boot: string
  readonly source: FreshnessSource
  readonly port: UdxPort
  readonly pairingFile: PairingFile
}

export class Filming {
  readonly recorder: Recorder
  readonly capture: Capture
  readonly uplink: Uplink
  readonly delay: AckDelay
  readonly #settings: CameraSettings
  readonly #parts: FilmingParts
  readonly #base: AgentBase
  readonly #channels = new Set<(channel: Channel) => void>()
  readonly #watch: LinkWatch
  #link: CameraLink
  #closing: Promise<void> | undefined

  /** Rejects when the ring's folder is wrong; then nothing is left open. */
  static async start(
    settings: CameraSettings,
    pairing: Pairing,
    parts: FilmingParts,
    base: AgentBase,
  ): Promise<Filming> {
    const known = await readKnownCard(settings.state)
    const filming = new Filming(settings, pairing, parts, base, known !== undefined && known === settings.ring)
    try {
      await filming.recorder.start()
    } catch (error) {
      await filming.recorder.close()
      throw error
    }
    filming.uplink.start()
    filming.#link.start()
    filming.#watch.start()
    await filming.#enterUnsent()
    filming.capture.start()
    return filming
  }

  private constructor(
    settings: CameraSettings,
    pairing: Pairing,
    parts: FilmingParts,
    base: AgentBase,
    cardKnown: boolean,
  ) {
    const { clock, random, log } = base
    const { boot, pairingFile } = parts
    this.#settings = settings
    this.#parts = parts
    this.#base = base
    this.#link = this.#newLink(pairing)
    this.#watch = new LinkWatch({
      status: () => this.#link.status(),
      clock,
      onTrouble: (problem) => this.#warn(problem),
      onConnected: (path) => log.info({ path }, 'connected with the storage device'),
    })
    this.delay = new AckDelay(clock)
    this.uplink = new Uplink({
      link: { onChannel: (listener) => this.#onChannel(listener) },
      ...{ clock, boot },
      name: () => pairingFile.current?.name ?? pairing.wantedName,
      report: () => {
        const why = pathReason(this.#link.status())
        const report = { state: this.capture.state.state, captured: this.recorder.counts.captured }
        return why === undefined ? report : { ...report, why }
      },
      onAlarm: (alarm) =>
        alarm === undefined
          ? log.info('the storage device keeps footage again')
          : log.warn({ code: alarm.code }, `the storage device keeps nothing right now: ${alarm.text}`),
      onWarning: (problem) => this.#warn(problem),
    })
    this.recorder = new Recorder({
      openCard: settings.ring === undefined ? undefined : () => this.#openCard(pairing.storage),
      openMemory: () => this.#openMemory(pairing.storage),
      cardKnown,
      clock,
      boot,
      onRings: this.#ringsListener(),
      onFirst: () => {
        const sinceBootS = Math.round(clock.monoUs() / 100_000) / 10
        log.info({ sinceBootS, card: this.recorder.card }, 'the first fragment is kept')
      },
      onCard: (problem) => {
        if (problem === undefined) log.info({ ring: settings.ring }, 'the card is in use again')
        else log.warn({ code: problem.code }, `recording to memory, not to the card: ${errorLine(problem)}`)
      },
    })
    this.capture = new Capture({
      encoder: createEncoder(parseSource(settings.source), { clock, random }),
      sink: this.recorder,
      clock,
      onState: this.#captureListener(),
    })
  }

  get link(): CameraLink {
    return this.#link
  }

  /** Why the storage device is not reached. */
  get linkProblem(): LinkProblem | undefined {
    return this.#watch.problem
  }

  /** Takes a new setup code of the same storage device: another server, other addresses. What is filmed goes on. */
  async reconnect(pairing: Pairing): Promise<void> {
    const old = this.#link
    this.#link = this.#newLink(pairing)
    await old.close()
    this.#link.start()
  }

  /** Ends capturing; what is on the card goes on being sent. */
  stopCapture(): Promise<void> {
    return this.capture.close()
  }

  /** Waits until nothing is left of what had been captured before this call. False when that takes longer. */
  async settled(withinMs: number): Promise<boolean> {
    const { clock } = this.#base
    const startUs = clock.monoUs()
    for (;;) {
      const elapsedMs = (clock.monoUs() - startUs) / 1000
      const older = ({ unackedBytes, oldestUnackedAgeMs }: ReturnType<Ring['stats']>) =>
        unackedBytes > 0 && oldestUnackedAgeMs >= elapsedMs
      if (!this.recorder.rings.some((ring) => older(ring.stats()))) return true
      if (elapsedMs >= withinMs) return false
      await sleep(clock, LOOK_EVERY_MS)
    }
  }

  /** Idempotent: capture first, so that what it holds still reaches the card. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { log } = this.#base
    await this.capture.close()
    if (this.recorder.card !== 'ok' && this.uplink.status.connected) await this.settled(LAST_CHANCE_MS)
    this.#watch.close()
    await this.uplink.close()
    await this.#link.close()
    try {
      const unsent = await this.recorder.close()
      if (unsent > 0) log.warn({ fragments: unsent }, 'footage that was in memory only is lost')
      await noteUnsent(this.#settings.state, unsent)
    } catch (err) {
      log.warn({ err }, 'the card was not closed cleanly')
    }
  }

  async #enterUnsent(): Promise<void> {
    const { state } = this.#settings
    const unsent = await readUnsent(state)
    if (unsent === 0) return
    await this.recorder.missed(unsent, 'never-sent')
    await forgetUnsent(state)
  }

  #newLink(pairing: Pairing): CameraLink {
    const { identity, source, port, pairingFile } = this.#parts
    const { clock, random, log } = this.#base
    const server = this.#newServer(pairing)
    const link = new CameraLink({
      ...{ identity, port, pairing, source, clock, random },
      ...(server === undefined ? {} : { server }),
      discovery: true,
      onAddresses: (addresses) =>
        void pairingFile.remember(addresses).catch((problem: HomewardError) => this.#warn(problem)),
      onEnrolled: (name) => {
        log.info({ name }, 'the storage device knows this camera')
        void pairingFile.enrolled(name).catch((problem: HomewardError) => this.#warn(problem))
      },
    })
    link.onChannel((channel) => {
      for (const listener of [...this.#channels]) listener(channel)
    })
    return link
  }

  #newServer(pairing: Pairing): CameraServer | undefined {
    const { identity, port } = this.#parts
    const { clock, random } = this.#base
    const place = serverOf(this.#settings, pairing)
    if (place === undefined) return undefined
    const { storage, token } = pairing
    const server = new ServerAddresses(place, clock, { tls: this.#settings.p2pTls })
    const tags = {
      pair: new PairKeys(identity, storage).lookupTag,
      ...(token === undefined ? {} : { token: tokenTags(token).lookupTag }),
    }
    return new CameraServer({ port, server, storage, tags, clock, random })
  }

  #onChannel(listener: (channel: Channel) => void): () => void {
    this.#channels.add(listener)
    return () => this.#channels.delete(listener)
  }

  /** Every opening is a log of its own, with a key that stays in memory. */
  async #openCard(storage: Uint8Array): Promise<Ring> {
    const { ring: dir = '', ringSize, state } = this.#settings
    const { identity, boot } = this.#parts
    const ring = await openRing({
      ...{ disk: new RealDisk(), dir, camera: identity, sealer: new LogSealer(identity, storage), boot },
      clock: this.#base.clock,
      ...(ringSize === undefined ? {} : { capacityBytes: ringSize }),
    })
    // Only for the next start to know; no reason not to record.
    await rememberCard(state, dir).catch((problem: HomewardError) => this.#warn(problem))
    return ring
  }

  #openMemory(storage: Uint8Array): Ring {
    const { identity, boot } = this.#parts
    const sealer = new LogSealer(identity, storage)
    return new MemoryRing({ sealer, boot, clock: this.#base.clock, capacityBytes: MEMORY_RING_BYTES })
  }

  #ringsListener(): (rings: readonly Ring[]) => void {
    const watched = new WeakSet<Ring>()
    return (rings) => {
      for (const ring of rings) {
        if (watched.has(ring)) continue
        watched.add(ring)
        ring.onChange(() => {
          if (ring === this.recorder.active) this.delay.changed(ring)
        })
      }
      this.uplink.setRings(rings)
    }
  }

  /** An encoder that is started again and again for the same reason is told of once. */
  #captureListener(): (state: CaptureState) => void {
    const { log } = this.#base
    const { source } = this.#settings
    const changes = new Changes()
    return (state) => {
      if (state.state === 'waiting') {
        this.recorder.encoderDown()
        const { code } = state.lastError
        const line = errorLine(state.lastError)
        if (changes.differs(withoutNumbers(`${code} ${line}`))) log.warn({ code }, `${line} Trying again.`)
        else log.debug({ code, restarts: state.restarts }, line)
      } else if (state.state === 'running') {
        if (changes.differs('running')) log.info({ source: maskUrl(source), restarts: state.restarts }, 'filming')
      } else if (state.state === 'ended') log.info('the source is over')
    }
  }

  #warn(problem: { readonly code: string; readonly message: string; readonly hint?: string | undefined }): void {
    this.#base.log.warn({ code: problem.code }, errorLine(problem))
  }
}

/** The setup code's server, at another address when one is given. */
function serverOf({ p2p }: CameraSettings, { server }: Pairing) {
  return server === undefined ? undefined : { ...server, ...p2p }
}
