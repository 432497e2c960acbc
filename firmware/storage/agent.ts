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
import type { ServerPlace } from '../link/server-key.ts'
import { StorageLink } from '../link/storage-link.ts'
import { TokenStore } from '../link/tokens.ts'
import { UdxPort } from '../link/udx-port.ts'
import { Changes } from '../platform/changes.ts'
import type { Clock } from '../platform/clock.ts'
import { describeError } from '../platform/control.ts'
import { RealDisk } from '../platform/disk-real.ts'
import type { Random } from '../platform/random.ts'
import { equalBytes } from '../wire/bytes.ts'
import { type ErrorCode, errorLine, type HomewardError, isHomewardError } from '../wire/errors.ts'
import { openArchive } from './archive/archive.ts'
import type { VerifyReport } from './archive/verify.ts'
import { ArchiveSlot } from './archive-slot.ts'
import { finishFactoryReset } from './factory-reset.ts'
import { Intake } from './intake.ts'
import { knownDisk } from './known-disk.ts'
import { minFreeOf } from './retention/min-free.ts'
import { Retention } from './retention/retention.ts'
import { Healer } from './scrub/healer.ts'
import { Scrubber } from './scrub/scrubber.ts'
import { ServerContact } from './server-contact.ts'
import { Traffic } from './traffic.ts'

const DISK_TROUBLE: readonly ErrorCode[] = ['DISK_FULL', 'DISK_READ_ONLY', 'DISK_MISSING', 'DISK_FAILED']

export interface StorageSettings {
  readonly root: string
  readonly state: string
  readonly listen: ServerPlace
  readonly p2p: ServerPlace | undefined
  /** Where it is reached by TLS; undefined: the same host, the port that it says itself. */
  readonly p2pTls: ServerPlace | undefined
  /** The P2P server's key; learned at the first contact when undefined. */
  readonly p2pKey: Uint8Array | undefined
  /** Free space that footage leaves alone; by the size of the disk when undefined. */
  readonly minFreeBytes: number | undefined
  /** For cameras that have no limits of their own; undefined: until the disk needs room. */
  readonly keepDays: number | undefined
  readonly keepBytes: number | undefined
  /** How fast all footage is read again and checked; 0: not at all. */
  readonly scrubBytesPerS: number
}

export interface AgentBase {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

export class StorageAgent {
  readonly identity: Identity
  readonly archive: ArchiveSlot
  readonly retention: Retention
  readonly cameras: CameraList
  readonly tokens: TokenStore
  readonly desk: EnrolmentDesk
  readonly link: StorageLink
  readonly intake: Intake
  readonly server: ServerContact
  /** What arrived lately. */
  readonly traffic: Traffic
  readonly healer: Healer
  readonly scrubber: Scrubber
  readonly clock: Clock
  readonly log: Logger
  readonly #settings: StorageSettings
  readonly #port: UdxPort
  readonly #replay: ReplayStore
  readonly #warnings = new Changes()
  #closing: Promise<void> | undefined

  private constructor(settings: StorageSettings, base: AgentBase, parts: Parts) {
    const { identity, archive, retention, traffic, cameras, tokens, replay, source, port } = parts
    const { clock, random, log } = base
    this.#settings = settings
    this.#port = port
    this.#replay = replay
    this.identity = identity
    this.archive = archive
    this.traffic = traffic
    this.retention = retention
    this.cameras = cameras
    this.tokens = tokens
    this.clock = clock
    this.log = log
    const peers = new PeerTable()
    this.desk = new EnrolmentDesk({
      ...{ identity, tokens, cameras, peers, replay, source, clock },
      takenFolders: async () => archive.totals().map(({ folder }) => folder),
      onRefusal: ({ why, camera, name }) => {
        const reason = why === 'TOKEN_USED' ? 'was used by another camera' : 'had expired'
        log.warn(
          { camera, name, code: why },
          `a camera was refused: its setup code ${reason}. Make a new one: homeward storage pair`,
        )
      },
    })
    this.link = new StorageLink({
      ...{ identity, port, peers, desk: this.desk, cameras, tokens, clock, random },
      loopback: this.#onLoopback,
      discovery: !this.#onLoopback,
      onError: (err) =>
        isHomewardError(err)
          ? log.warn({ code: err.code }, errorLine(err))
          : log.error({ err }, 'a camera could not be enrolled'),
    })
    this.intake = new Intake({
      link: this.link,
      archive,
      opener: new RecordOpener(identity),
      clock,
      onStored: (camera, header, bytes, receivedUs) => {
        traffic.stored(camera, header, bytes, receivedUs)
        this.healer.kept(camera, header.log, header.seq)
      },
      onAlarm: (problem) =>
        problem === undefined
          ? log.info('the disk takes footage again')
          : log.error({ code: problem.code }, `nothing is acknowledged, the cameras keep it: ${errorLine(problem)}`),
      // A disk that does not take it is told of by the footage itself; the camera says it again.
      onMoment: (...args) => void archive.moment(...args).catch(() => undefined),
      onWarning: (camera, problem) => this.#warn(camera, problem),
      onUnheld: (camera, seqLog, seq) => this.healer.unheld(camera, seqLog, seq),
    })
    this.healer = new Healer({
      slot: archive,
      clock,
      ask: (camera, seqLog, seq) => this.intake.heal(camera, seqLog, seq),
      isKnown: (camera) => cameras.enrolled().some(({ key }) => equalBytes(key, camera)),
      onHealed: ({ camera, log: seqLog, seq }) => {
        log.info({ log: seqLog, seq }, 'a damaged fragment is healed from the card of its camera')
        void this.scrubber.recheck(camera, seqLog, seq)
      },
      onLost: ({ log: seqLog, seq }) =>
        log.warn({ log: seqLog, seq }, 'a damaged fragment is lost: its camera does not have it'),
      onTrouble: (error) => this.backgroundTrouble(error),
    })
    this.scrubber = new Scrubber({
      slot: archive,
      clock,
      bytesPerS: settings.scrubBytesPerS,
      onFound: ({ row }, findings, why) => {
        log.warn({ path: row.path, findings }, `footage on the disk is damaged: ${why}`)
        this.healer.poke()
      },
      onTrouble: (error) => this.backgroundTrouble(error),
    })
    const { state, p2p, p2pTls, p2pKey } = settings
    this.server = new ServerContact({ state, place: p2p, tls: p2pTls, key: p2pKey, link: this.link, clock, log })
  }

  /** Rejects with what stands in the way; then nothing is left open. */
  static async start(settings: StorageSettings, base: AgentBase): Promise<StorageAgent> {
    const { clock, random, log } = base
    const { root, state } = settings
    const disk = new RealDisk()
    if (await finishFactoryReset(state)) log.warn('everything but the footage was reset, as asked for')
    const identity = await loadIdentity(state)
    // Before the disk, which is bound to this device at its first use: a port that is taken must not leave that behind.
    const port = new UdxPort(settings.listen)
    const opened: { close(): Promise<void> }[] = [port]
    let agent: StorageAgent | undefined
    try {
      const diskId = await knownDisk({ stateDir: state, root, disk, clock, random })
      const traffic = new Traffic(clock)
      const onCommit = (tookMs: number) => traffic.committed(tookMs)
      const minFreeBytes = settings.minFreeBytes ?? minFreeOf(await disk.space(root))
      const archive = await ArchiveSlot.start({
        open: () => openArchive({ disk, clock, root, diskId, minFreeBytes, onCommit }),
        clock,
        onReleased: () => log.warn({ root }, 'the disk is let go of: it can be unmounted, checked and mounted again'),
        onReopened: () => {
          log.info({ root }, 'the disk is back')
          if (agent !== undefined) agent.#enrolledMeanwhile()
        },
        onFull: () => agent?.retention.poke(),
      })
      opened.push(archive)
      const retention = new Retention({
        ...{ slot: archive, disk, clock, root, minFreeBytes },
        defaults: { days: settings.keepDays ?? null, bytes: settings.keepBytes ?? null },
        onDeleted: (files, bytes) => log.info({ files, bytes }, 'footage was deleted'),
        onAlarm: (problem) =>
          problem === undefined
            ? log.info('there is room for footage again')
            : log.error({ code: problem.code }, errorLine(problem)),
        onTrouble: (error) => agent?.backgroundTrouble(error),
      })
      opened.push(retention)
      const replay = await ReplayStore.open(state, clock, (err) => log.warn({ err }, 'replay state not written'))
      opened.push(replay)
      const [cameras, tokens, boot] = await Promise.all([
        CameraList.open(state),
        TokenStore.open(state, clock),
        nextBoot(state, clock),
      ])
      const source = new FreshnessSource(boot)
      agent = new StorageAgent(settings, base, {
        identity,
        archive,
        retention,
        traffic,
        cameras,
        tokens,
        replay,
        source,
        port,
      })
      return await agent.#start()
    } catch (error) {
      for (const part of opened.toReversed()) await part.close()
      throw error
    }
  }

  get listen(): Address {
    return { host: this.#settings.listen.host, port: this.#port.local.port }
  }

  /** Footage leaves this free on the disk. */
  get minFreeBytes(): number {
    return this.retention.minFreeBytes
  }

  get stateDir(): string {
    return this.#settings.state
  }

  get root(): string {
    return this.#settings.root
  }

  /** Why nothing is kept right now, in the words that help most; undefined while all is well. */
  get alarm(): { readonly code: string; readonly message: string; readonly hint?: string } | undefined {
    const { alarm } = this.intake
    const { problem } = this.archive
    const full = this.retention.alarm
    const own = problem ?? (alarm === undefined || alarm.code === 'DISK_FULL' ? full : undefined)
    return own === undefined ? alarm : describeError(own)
  }

  /** What a check has found is asked for again, as far as cameras have it. */
  async noteDamage(report: VerifyReport): Promise<void> {
    if (report.damaged.length + report.missing.length === 0) return
    await this.archive.write((archive) => Scrubber.note(archive, report))
    this.healer.poke()
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
    await this.server.close()
    await this.intake.close()
    await this.link.close()
    await this.scrubber.close()
    await this.healer.close()
    await this.retention.close()
    await this.archive.close()
    await this.#replay.close()
    await this.#port.close()
  }

  get #onLoopback(): boolean {
    return this.#settings.listen.host.startsWith('127.') || this.#settings.listen.host === '::1'
  }

  async #start(): Promise<this> {
    await this.retention.start()
    await this.#nameCameras()
    this.intake.start()
    this.healer.start()
    this.scrubber.start()
    this.link.start()
    this.link.onEnrolled((camera) => this.#enrolled(camera))
    this.server.start()
    return this
  }

  /** Every camera has its folder from the start, so that a file's place says whose it is. */
  async #nameCameras(): Promise<void> {
    for (const { key, folder } of this.cameras.enrolled()) await this.archive.nameCamera(key, folder)
  }

  /** Cameras may have been paired while the disk was away. */
  #enrolledMeanwhile(): void {
    this.#nameCameras().catch((err: unknown) => this.log.error({ err }, 'a camera has no folder of its own yet'))
  }

  #enrolled({ key, folder, name, uid }: Camera): void {
    this.log.info({ camera: uid, name }, 'a camera was paired')
    this.archive
      .nameCamera(key, folder)
      .catch((err: unknown) => this.log.error({ err }, 'the camera has no folder of its own yet'))
  }

  backgroundTrouble(error: unknown): void {
    // The disk's own trouble raises an alarm wherever something is to be stored.
    if (isHomewardError(error, 'DISK_FULL', 'DISK_READ_ONLY', 'DISK_MISSING')) return
    const line = isHomewardError(error) ? errorLine(error) : String(error)
    if (this.#warnings.differs(line)) this.log.warn({ err: error }, 'deleting and checking footage: it is tried again')
  }

  /** The same again and again is told once, and trouble with the disk as the alarm that it raises. */
  #warn(camera: string, problem: HomewardError): void {
    if (DISK_TROUBLE.includes(problem.code)) return
    const line = errorLine(problem)
    if (this.#warnings.differs(`${camera} ${line}`)) this.log.warn({ camera, code: problem.code }, line)
  }
}

interface Parts {
  readonly identity: Identity
  readonly archive: ArchiveSlot
  readonly traffic: Traffic
  readonly retention: Retention
  readonly cameras: CameraList
  readonly tokens: TokenStore
  readonly replay: ReplayStore
  readonly source: FreshnessSource
  readonly port: UdxPort
}
