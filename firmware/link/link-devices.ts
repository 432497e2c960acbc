/** A storage device and cameras over real loopback sockets, with throw-away state folders: for tests of the link. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../platform/clock.ts'
import type { FakeClock } from '../platform/clock-fake.ts'
import { RealClock } from '../platform/clock-real.ts'
import { realRandom } from '../platform/random.ts'
import type { Address } from './address.ts'
import { CameraLink, type CameraLinkOptions } from './camera-link.ts'
import { CameraList } from './cameras.ts'
import type { Interfaces } from './candidates.ts'
import type { Channel, ChannelCloseReason } from './channel.ts'
import { EnrolmentDesk } from './enrolment-desk.ts'
import { createIdentity, type Identity } from './identity.ts'
import type { LinkStatus } from './link-status.ts'
import { PeerTable } from './peer.ts'
import { FreshnessSource } from './replay.ts'
import { ReplayStore } from './replay-store.ts'
import type { ServerAddresses } from './server-addresses.ts'
import { StorageLink } from './storage-link.ts'
import { TokenStore } from './tokens.ts'
import { UdxPort } from './udx-port.ts'

export interface StorageDevice {
  readonly identity: Identity
  readonly port: UdxPort
  readonly link: StorageLink
  readonly cameras: CameraList
  readonly tokens: TokenStore
  readonly desk: EnrolmentDesk
  /** Channels in the order they were opened. */
  readonly channels: Channel[]
  /** Knows the camera from now on, as if it had enrolled before. */
  enrol(camera: Identity): Promise<void>
  /** Resolves with the channel numbered `index`, the newest one by default. */
  nextChannel(index?: number): Promise<Channel>
  close(): Promise<void>
}

export interface StorageDeviceOptions {
  readonly identity?: Identity
  readonly clock?: Clock
  readonly boot?: number
  readonly port?: number
  /** A port of one's own making, to watch what goes through it. */
  readonly udx?: UdxPort
  readonly interfaces?: () => Interfaces
  readonly server?: ServerAddresses
  /** Enrolled before it starts. */
  readonly enrolled?: readonly Identity[]
}

/** Longer than anything here takes: a test that waits in vain says so instead of hanging. */
const PATIENCE_MS = 10_000

/** Channels as they come, and a way to wait for one. */
function collect(): { channels: Channel[]; add(channel: Channel): void; next(index?: number): Promise<Channel> } {
  const channels: Channel[] = []
  const next = async (index = channels.length) => {
    await waitFor(() => channels.length > index, `channel ${index}`)
    const channel = channels[index]
    if (channel === undefined) throw new Error(`there is no channel ${index}`)
    return channel
  }
  return { channels, add: (channel) => channels.push(channel), next }
}

/** Rejects after PATIENCE_MS. */
export async function waitFor(isSo: () => boolean, what: string): Promise<void> {
  const untilMs = performance.now() + PATIENCE_MS
  while (!isSo()) {
    if (performance.now() > untilMs) throw new Error(`waited in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** Time passes for one device, and the sockets keep up with it. */
export async function hurry(clock: FakeClock, ms: number): Promise<void> {
  const stepMs = 25
  for (let passedMs = 0; passedMs < ms; passedMs += stepMs) {
    await clock.advance(Math.min(stepMs, ms - passedMs))
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

/** What a camera here says first on a channel, as a session does: the storage device takes no other into use. */
const HELLO = 'hello'

/** The next message as text, apart from HELLO. */
export async function nextMessage(channel: Channel): Promise<string> {
  let text: string | undefined
  channel.onMessage((message) => {
    const heard = Buffer.from(message).toString()
    if (heard !== HELLO) text ??= heard
  })
  await waitFor(() => text !== undefined, 'a message')
  return text ?? ''
}

/** Why the channel ended. */
export async function ended(channel: Channel): Promise<ChannelCloseReason> {
  let reason: ChannelCloseReason | undefined
  channel.onClose((why) => {
    reason = why
  })
  await waitFor(() => reason !== undefined, 'the end of a channel')
  return reason ?? 'closed'
}

export async function startStorage(options: StorageDeviceOptions = {}): Promise<StorageDevice> {
  const { identity = createIdentity(), clock = new RealClock(), boot = 1, enrolled = [], server } = options
  const stateDir = await mkdtemp(join(tmpdir(), 'homeward-'))
  const [cameras, tokens, replay] = await Promise.all([
    CameraList.open(stateDir),
    TokenStore.open(stateDir, clock),
    ReplayStore.open(stateDir, clock),
  ])
  const enrol = async (camera: Identity) => {
    await cameras.enrol({ key: camera.publicKey, name: '', tokenHash: '00'.repeat(32), enrolledUs: clock.wallUs() })
  }
  for (const camera of enrolled) await enrol(camera)
  const peers = new PeerTable()
  const source = new FreshnessSource(boot)
  const desk = new EnrolmentDesk({ identity, tokens, cameras, peers, replay, source, clock })
  const port = options.udx ?? new UdxPort({ host: '127.0.0.1', port: options.port ?? 0 })
  const { interfaces } = options
  const link = new StorageLink({
    ...{ identity, port, peers, desk, cameras, tokens, clock, random: realRandom, loopback: true },
    ...(interfaces === undefined ? {} : { interfaces }),
  })
  const { channels, add, next: nextChannel } = collect()
  link.onChannel((_, channel) => add(channel))
  link.start()
  await link.ready()
  if (server !== undefined) link.useServer(server)
  const close = async () => {
    await link.close()
    await port.close()
    await replay.close()
    await rm(stateDir, { recursive: true, force: true })
  }
  return { identity, port, link, cameras, tokens, desk, channels, enrol, nextChannel, close }
}

export interface CameraDevice {
  readonly identity: Identity
  readonly port: UdxPort
  readonly link: CameraLink
  readonly channels: Channel[]
  /** What it would have kept for its next start. */
  readonly kept: { addresses: Address[]; enrolledAs: string | undefined; enrolled: boolean }
  /** Resolves with the channel numbered `index`, the next one by default. */
  nextChannel(index?: number): Promise<Channel>
  /** Resolves once the status fulfils `wanted`. */
  until(wanted: (status: LinkStatus) => boolean): Promise<LinkStatus>
  close(): Promise<void>
}

export interface CameraDeviceOptions extends Partial<Pick<CameraLinkOptions, 'server' | 'interfaces' | 'clock'>> {
  readonly identity?: Identity
  readonly storage: Uint8Array
  readonly token?: Uint8Array
  readonly addresses?: readonly Address[]
  readonly boot?: number
  readonly udx?: UdxPort
  /** Says nothing on a new channel. */
  readonly silent?: boolean
}

export function startCamera(options: CameraDeviceOptions): CameraDevice {
  const { identity = createIdentity(), clock = new RealClock(), boot = 1, addresses = [], storage, token } = options
  const port = options.udx ?? new UdxPort({ host: '127.0.0.1' })
  const { channels, add, next: nextChannel } = collect()
  const kept: CameraDevice['kept'] = { addresses: [], enrolledAs: undefined, enrolled: false }
  const link = new CameraLink({
    ...{ identity, port, clock, random: realRandom, source: new FreshnessSource(boot) },
    pairing: { storage, wantedName: 'Front door', addresses, ...(token === undefined ? {} : { token }) },
    onAddresses: (met) => kept.addresses.unshift(...met),
    onEnrolled: (name) => Object.assign(kept, { enrolled: true, enrolledAs: name }),
    ...(options.server === undefined ? {} : { server: options.server }),
    ...(options.interfaces === undefined ? {} : { interfaces: options.interfaces }),
  })
  link.onChannel((channel) => {
    add(channel)
    if (options.silent !== true) channel.send(new Uint8Array(Buffer.from(HELLO)))
  })
  link.start()
  const until = async (wanted: (status: LinkStatus) => boolean) => {
    await waitFor(() => wanted(link.status()), `another status than ${JSON.stringify(link.status())}`)
    return link.status()
  }
  const close = async () => {
    await link.close()
    await port.close()
  }
  return { identity, port, link, channels, kept, nextChannel, until, close }
}
