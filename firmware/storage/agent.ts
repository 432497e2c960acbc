/** The storage agent: port, link, intake and archive, put together. */
import { networkInterfaces } from 'node:os'
import type { Logger } from 'pino'
import type { Address } from '../link/address.ts'
import { nextBoot } from '../link/boot-count.ts'
import { type Camera, CameraList } from '../link/cameras.ts'
import { localCandidates } from '../link/candidates.ts'
import { EnrolmentDesk } from '../link/enrolment-desk.ts'
import { type Identity, loadIdentity } from '../link/identity.ts'
import { PeerTable } from '../link/peer.ts'
import { FreshnessSource } from '../link/replay.ts'
import { ReplayStore } from '../link/replay-store.ts'
import { RecordOpener } from '../link/seal.ts'
import { ServerAddresses } from '../link/server-addresses.ts'
import { learnServer, pinnedServer, pinServer, type ServerPlace } from '../link/server-key.ts'
import type { SetupServer } from '../link/setup-code.ts'
import { StorageLink } from '../link/storage-link.ts'
import { TokenStore } from '../link/tokens.ts'
import { UdxPort } from '../link/udx-port.ts'
import { type Clock, sleep } from '../platform/clock.ts'
import { RealDisk } from '../platform/disk-real.ts'
import type { Random } from '../platform/random.ts'
import { isHomewardError } from '../wire/errors.ts'
import { type Archive, openArchive } from './archive/archive.ts'
import { Intake } from './intake.ts'
import { knownDisk } from './known-disk.ts'

/** A server that was down at the first contact is asked again after this time. */
const LEARN_RETRY_MS = 5_000

export interface StorageSettings {
  readonly root: string
  readonly state: string
  readonly listen: ServerPlace
  readonly p2p: ServerPlace | undefined
  /** The P2P server's key; learned at the first contact when undefined. */
  readonly p2pKey: Uint8Array | undefined
  readonly minFreeBytes: number
}

export interface AgentBase {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

export class StorageAgent {
  readonly identity: Identity
  readonly archive: Archive
  readonly cameras: CameraList
  readonly tokens: TokenStore
  readonly desk: EnrolmentDesk
  readonly link: StorageLink
  readonly intake: Intake
  readonly clock: Clock
  readonly log: Logger
  readonly #settings: StorageSettings
  readonly #port: UdxPort
  readonly #replay: ReplayStore
  readonly #stopping = new AbortController()
  #server: SetupServer | undefined
  #learning: Promise<void> = Promise.resolve()
  #closing: Promise<void> | undefined

  private constructor(settings: StorageSettings, base: AgentBase, parts: Parts) {
    const { identity, archive, cameras, tokens, replay, source, port } = parts
    const { clock, random, log } = base
    this.#settings = settings
    this.#port = port
    this.#replay = replay
    this.identity = identity
    this.archive = archive
    this.cameras = cameras
    this.tokens = tokens
    this.clock = clock
    this.log = log
    const peers = new PeerTable()
    this.desk = new EnrolmentDesk({
      ...{ identity, tokens, cameras, peers, replay, source, clock },
      takenFolders: async () => archive.totals().map(({ folder }) => folder),
      onRefusal: (refusal) => log.warn(refusal, 'a camera was refused: its setup code is not good any more'),
    })
    this.link = new StorageLink({
      ...{ identity, port, peers, desk: this.desk, cameras, tokens, clock, random },
      loopback: this.#onLoopback,
      onError: (err) => log.error({ err }, 'a camera could not be enrolled'),
    })
    this.intake = new Intake({
      link: this.link,
      archive,
      opener: new RecordOpener(identity),
      clock,
      onAlarm: (problem) =>
        problem === undefined
          ? log.info('the disk takes footage again')
          : log.error({ code: problem.code }, `nothing is acknowledged: ${problem.message}`),
      onWarning: (camera, problem) => log.warn({ camera, code: problem.code }, problem.message),
    })
  }

  /** Rejects with what stands in the way; then nothing is left open. */
  static async start(settings: StorageSettings, base: AgentBase): Promise<StorageAgent> {
    const { clock, random, log } = base
    const { root, state, minFreeBytes } = settings
    const disk = new RealDisk()
    const identity = await loadIdentity(state)
    const diskId = await knownDisk({ stateDir: state, root, disk, clock, random })
    const archive = await openArchive({ disk, clock, root, diskId, minFreeBytes })
    const opened: { close(): Promise<void> }[] = [archive]
    try {
      const port = new UdxPort(settings.listen)
      opened.push(port)
      const replay = await ReplayStore.open(state, clock, (err) => log.warn({ err }, 'replay state not written'))
      opened.push(replay)
      const [cameras, tokens, boot] = await Promise.all([
        CameraList.open(state),
        TokenStore.open(state, clock),
        nextBoot(state, clock),
      ])
      const source = new FreshnessSource(boot)
      const agent = new StorageAgent(settings, base, { identity, archive, cameras, tokens, replay, source, port })
      await agent.#nameCameras()
      agent.intake.start()
      agent.link.start()
      agent.link.onEnrolled((camera) => agent.#enrolled(camera))
      agent.#learning = agent.#findServer()
      return agent
    } catch (error) {
      for (const part of opened.toReversed()) await part.close()
      throw error
    }
  }

  get listen(): Address {
    return { host: this.#settings.listen.host, port: this.#port.local.port }
  }

  get root(): string {
    return this.#settings.root
  }

  /** The P2P server with its pin; undefined without one, and until its first answer. */
  get server(): SetupServer | undefined {
    return this.#server
  }

  get wantsServer(): boolean {
    return this.#settings.p2p !== undefined
  }

  /** Where cameras in the same network find this device. */
  candidates(): readonly Address[] {
    return localCandidates(networkInterfaces(), this.#port.local, { loopback: this.#onLoopback })
  }

  /** Idempotent. What was handed over is stored; cameras keep the rest. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#stopping.abort()
    await this.#learning
    await this.intake.close()
    await this.link.close()
    await this.archive.close()
    await this.#replay.close()
    await this.#port.close()
  }

  get #onLoopback(): boolean {
    return this.#settings.listen.host.startsWith('127.') || this.#settings.listen.host === '::1'
  }

  /** Every camera has its folder from the start, so that a file's place says whose it is. */
  async #nameCameras(): Promise<void> {
    for (const { key, folder } of this.cameras.enrolled()) await this.archive.nameCamera(key, folder)
  }

  #enrolled({ key, folder, name, uid }: Camera): void {
    this.log.info({ camera: uid, name }, 'a camera was paired')
    this.archive
      .nameCamera(key, folder)
      .catch((err: unknown) => this.log.error({ err }, 'the camera has no folder of its own yet'))
  }

  /** Given, pinned, or learned; a server that does not answer is asked again until it does. */
  async #findServer(): Promise<void> {
    const { p2p, p2pKey, state } = this.#settings
    const { signal } = this.#stopping
    if (p2p === undefined) return
    let server = p2pKey === undefined ? await pinnedServer(state, p2p) : { ...p2p, key: p2pKey }
    while (server === undefined && !signal.aborted) {
      try {
        server = await learnServer(p2p, { signals: this.link.signals, clock: this.clock, signal })
        await pinServer(state, server)
      } catch (error) {
        if (!isHomewardError(error)) throw error
        if (signal.aborted) return
        this.log.warn({ code: error.code }, `${error.message}; cameras in this network still find this device`)
        await sleep(this.clock, LEARN_RETRY_MS, signal)
      }
    }
    if (server === undefined || signal.aborted) return
    this.#server = server
    this.link.useServer(new ServerAddresses(server, this.clock))
  }
}

interface Parts {
  readonly identity: Identity
  readonly archive: Archive
  readonly cameras: CameraList
  readonly tokens: TokenStore
  readonly replay: ReplayStore
  readonly source: FreshnessSource
  readonly port: UdxPort
}
