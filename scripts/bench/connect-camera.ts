/**
 * A camera that only connects, as a process of its own: the real link, uplink and recorder, put together as a filming
 * camera has them. For each connect there is a new port and a new link, and one new fragment that waits.
 */
import { mkdir } from 'node:fs/promises'
import { Capture } from '../../firmware/camera/encoder/capture.ts'
import type { CapturedFragment } from '../../firmware/camera/encoder/captured.ts'
import { createEncoder, parseSource } from '../../firmware/camera/encoder/source.ts'
import { Recorder } from '../../firmware/camera/recorder.ts'
import { MemoryRing } from '../../firmware/camera/ring/memory-ring.ts'
import { Uplink } from '../../firmware/camera/uplink.ts'
import { CameraLink } from '../../firmware/link/camera-link.ts'
import { CameraServer } from '../../firmware/link/camera-server.ts'
import type { Channel, ChannelPath } from '../../firmware/link/channel.ts'
import { createIdentity } from '../../firmware/link/identity.ts'
import { PairKeys, tokenTags } from '../../firmware/link/pair.ts'
import { type Pairing, PairingFile } from '../../firmware/link/pairing.ts'
import { FreshnessSource } from '../../firmware/link/replay.ts'
import { LogSealer } from '../../firmware/link/seal.ts'
import { ServerAddresses } from '../../firmware/link/server-addresses.ts'
import { parseSetupCode } from '../../firmware/link/setup-code.ts'
import { UdxPort } from '../../firmware/link/udx-port.ts'
import { sleep } from '../../firmware/platform/clock.ts'
import { kernelBootId, RealClock } from '../../firmware/platform/clock-real.ts'
import { realRandom } from '../../firmware/platform/random.ts'
import { HomewardError } from '../../firmware/wire/errors.ts'
import { obey } from './child.ts'

export type ConnectOrders = {
  /** Takes a setup code and connects once; there are fragments for so many connects after it. */
  readonly pair: (given: {
    readonly code: string
    readonly stateDir: string
    readonly connects: number
    readonly withinMs: number
  }) => Promise<Connected | undefined>
  /** Undefined: not in that time. */
  readonly connect: (given: { readonly withinMs: number }) => Promise<Connected | undefined>
}

export interface Connected {
  /** From a camera without a port until it has a channel. */
  readonly channelMs: number
  /** Until it knows that the fragment is safe on the storage device's disk. */
  readonly ackedMs: number
  /** The way the acknowledgement came. */
  readonly path: ChannelPath
}

const FRAMES_PER_FRAGMENT = 4
const SOURCE = `fake:fps=20,gop=${FRAMES_PER_FRAGMENT},size=128x64,bitrate=200000,speed=max`
const RING_BYTES = 1024 * 1024

type ChannelListener = (channel: Channel) => void
type Parts = {
  readonly pairingFile: PairingFile
  readonly recorder: Recorder
  readonly uplink: Uplink
  readonly fragments: CapturedFragment[]
}

const clock = new RealClock()
const random = realRandom
const identity = createIdentity()
const boot = kernelBootId()
const source = new FreshnessSource(1)
const listeners = new Set<ChannelListener>()
let parts: Parts | undefined

const orders: ConnectOrders = {
  pair: async ({ code, stateDir, connects, withinMs }) => {
    await mkdir(stateDir)
    const pairingFile = await PairingFile.open(stateDir)
    const { storage } = await pairingFile.setup(parseSetupCode(code))
    parts = { pairingFile, ...(await startUplink(storage)), fragments: await film(connects + 1) }
    return connect(parts, withinMs)
  },
  connect: async ({ withinMs }) => {
    if (parts === undefined) throw new HomewardError('INTERNAL', 'not paired yet')
    return connect(parts, withinMs)
  },
}
obey(orders)

async function startUplink(storage: Uint8Array): Promise<Pick<Parts, 'recorder' | 'uplink'>> {
  const uplink = new Uplink({
    link: {
      onChannel: (listener) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    },
    ...{ clock, boot },
    name: () => 'bench',
    report: () => ({ state: 'running', captured: recorder.counts.captured }),
  })
  const recorder = new Recorder({
    openCard: undefined,
    openMemory: () => {
      return new MemoryRing({ sealer: new LogSealer(identity, storage), boot, clock, capacityBytes: RING_BYTES })
    },
    cardKnown: false,
    ...{ clock, boot },
    onRings: (rings) => uplink.setRings(rings),
    onCard: () => undefined,
  })
  await recorder.start()
  uplink.start()
  return { recorder, uplink }
}

/** So many fragments, captured at once and kept until they are wanted. */
async function film(count: number): Promise<CapturedFragment[]> {
  const fragments: CapturedFragment[] = []
  await new Promise<void>((resolve) => {
    const capture = new Capture({
      encoder: createEncoder(parseSource(`${SOURCE},frames=${count * FRAMES_PER_FRAGMENT}`), { clock, random }),
      sink: {
        fragment: async (fragment) => {
          if (fragments.push(fragment) === count) resolve()
        },
        gap: async () => undefined,
      },
      clock,
    })
    capture.start()
  })
  return fragments
}

async function connect(
  { pairingFile, recorder, uplink, fragments }: Parts,
  withinMs: number,
): Promise<Connected | undefined> {
  const fragment = fragments.shift()
  const pairing = pairingFile.current
  if (fragment === undefined || pairing === undefined) throw new HomewardError('INTERNAL', 'nothing to connect for')
  await recorder.fragment(fragment)
  const before = uplink.status.acked
  const startedMs = performance.now()
  const port = new UdxPort({ host: '0.0.0.0' })
  const link = newLink(port, pairingFile, pairing)
  let path: ChannelPath | undefined
  let channelMs = 0
  link.onChannel((channel) => {
    if (path === undefined) channelMs = performance.now() - startedMs
    path = channel.path
    for (const listener of listeners) listener(channel)
  })
  const over = new AbortController()
  let connected: Connected | undefined
  const stop = recorder.active.onChange(() => {
    if (path === undefined || uplink.status.acked === before) return
    connected ??= { channelMs, ackedMs: performance.now() - startedMs, path }
    over.abort()
  })
  link.start()
  await sleep(clock, withinMs, over.signal)
  stop()
  await link.close()
  await port.close()
  return connected
}

function newLink(port: UdxPort, pairingFile: PairingFile, pairing: Pairing): CameraLink {
  const { storage, token, server } = pairing
  if (server === undefined) throw new HomewardError('INTERNAL', 'the setup code names no P2P server')
  const pair = new PairKeys(identity, storage).lookupTag
  const help = new CameraServer({
    ...{ port, storage, clock, random },
    server: new ServerAddresses(server, clock),
    tags: token === undefined ? { pair } : { pair, token: tokenTags(token).lookupTag },
  })
  return new CameraLink({
    ...{ identity, port, pairing, source, clock, random, server: help, discovery: true },
    onAddresses: (addresses) => void pairingFile.remember(addresses),
    onEnrolled: (name) => void pairingFile.enrolled(name),
  })
}
