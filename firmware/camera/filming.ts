/** All that runs once the camera knows its storage device: capture → seal → ring → uplink, and the link beneath. */

import { join } from 'node:path'
import { CameraLink } from '../link/camera-link.ts'
import type { Identity } from '../link/identity.ts'
import type { Pairing, PairingFile } from '../link/pairing.ts'
import { readPrivate, writePrivate } from '../link/private-file.ts'
import type { FreshnessSource } from '../link/replay.ts'
import { LogSealer } from '../link/seal.ts'
import { ServerAddresses } from '../link/server-addresses.ts'
import type { UdxPort } from '../link/udx-port.ts'
import { RealDisk } from '../platform/disk-real.ts'
import type { HomewardError } from '../wire/errors.ts'
import { AckDelay } from './ack-delay.ts'
import { Capture } from './encoder/capture.ts'
import { createEncoder, parseSource } from './encoder/source.ts'
import { Recorder } from './recorder.ts'
import { MemoryRing } from './ring/memory-ring.ts'
import { openRing, type Ring } from './ring/ring.ts'
import type { AgentBase, CameraSettings } from './settings.ts'
import { Uplink } from './uplink.ts'

/** Ten seconds at 16 Mbit/s, for the time until a card is back. */
const MEMORY_RING_BYTES = 24 * 1024 * 1024

const CARD_MARK = 'card-known'

export interface FilmingParts {
  readonly identity: Identity
  readonly boot: string
  readonly source: FreshnessSource
  readonly port: UdxPort
  readonly pairingFile: PairingFile
}

interface FilmingState {
  readonly recorder: Recorder
  readonly capture: Capture
  readonly link: CameraLink
  readonly uplink: Uplink
  readonly delay: AckDelay
  readonly log: AgentBase['log']
}

export class Filming {
  readonly recorder: Recorder
  readonly capture: Capture
  readonly link: CameraLink
  readonly uplink: Uplink
  readonly delay: AckDelay
  readonly #log: AgentBase['log']
  #closing: Promise<void> | undefined

  private constructor(parts: FilmingState) {
    this.recorder = parts.recorder
    this.capture = parts.capture
    this.link = parts.link
    this.uplink = parts.uplink
    this.delay = parts.delay
    this.#log = parts.log
  }

  /** Rejects when the source's text or the ring's folder is wrong; then nothing is left open. */
  static async start(
    settings: CameraSettings,
    pairing: Pairing,
    parts: FilmingParts,
    base: AgentBase,
  ): Promise<Filming> {
    const { clock, random, log } = base
    const { identity, boot, source, port, pairingFile } = parts
    const encoder = createEncoder(parseSource(settings.source), { clock, random })
    const warn = (problem: HomewardError) => log.warn({ code: problem.code }, problem.message)
    const server = serverOf(settings, pairing)
    const link = new CameraLink({
      ...{ identity, port, pairing, source, clock, random },
      ...(server === undefined ? {} : { server: new ServerAddresses(server, clock) }),
      onAddresses: (addresses) => void pairingFile.remember(addresses).catch(warn),
      onEnrolled: (name) => {
        log.info({ name }, 'the storage device knows this camera')
        void pairingFile.enrolled(name).catch(warn)
      },
    })
    const delay = new AckDelay(clock)
    const watched = new WeakSet<Ring>()
    const watch = (ring: Ring) => {
      if (watched.has(ring)) return
      watched.add(ring)
      ring.onChange(() => {
        if (ring === recorder.active) delay.changed(ring)
      })
    }
    const uplink = new Uplink({
      ...{ link, clock, boot },
      name: () => pairingFile.current?.name ?? pairing.wantedName,
      report: () => ({ state: capture.state.state, captured: recorder.counts.captured }),
      onAlarm: (alarm) =>
        alarm === undefined
          ? log.info('the storage device keeps footage again')
          : log.warn({ code: alarm.code }, `the storage device keeps nothing right now: ${alarm.text}`),
      onWarning: warn,
    })
    const recorder = new Recorder({
      openCard: settings.ring === undefined ? undefined : () => openCard(settings, pairing, parts, base),
      openMemory: () => {
        const sealer = new LogSealer(identity, pairing.storage)
        return new MemoryRing({ sealer, boot, clock, capacityBytes: MEMORY_RING_BYTES })
      },
      cardKnown: (await readPrivate(join(settings.state, CARD_MARK))) === settings.ring,
      clock,
      boot,
      onRings: (rings) => {
        for (const ring of rings) watch(ring)
        uplink.setRings(rings)
      },
      warn,
    })
    const capture = new Capture({
      encoder,
      sink: recorder,
      clock,
      onState: (state) => {
        if (state.state === 'waiting') warn(state.lastError)
        else log.info({ state: state.state, restarts: state.restarts }, `encoder ${state.state}`)
      },
    })
    try {
      await recorder.start()
    } catch (error) {
      await recorder.close()
      throw error
    }
    uplink.start()
    link.start()
    capture.start()
    return new Filming({ recorder, capture, link, uplink, delay, log })
  }

  /** Ends capturing; what is on the card goes on being sent. */
  stopCapture(): Promise<void> {
    return this.capture.close()
  }

  /** Idempotent: capture first, so that what it holds still reaches the card. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.capture.close()
    await this.uplink.close()
    await this.link.close()
    await this.recorder.close().catch((err: unknown) => this.#log.warn({ err }, 'the card was not closed cleanly'))
  }
}

/** Every opening is a log of its own, with a key that stays in memory. */
async function openCard(
  { ring: dir = '', ringSize, state }: CameraSettings,
  { storage }: Pairing,
  { identity, boot }: FilmingParts,
  { clock }: AgentBase,
): Promise<Ring> {
  const ring = await openRing({
    ...{ disk: new RealDisk(), dir, camera: identity, sealer: new LogSealer(identity, storage), boot, clock },
    ...(ringSize === undefined ? {} : { capacityBytes: ringSize }),
  })
  await writePrivate(join(state, CARD_MARK), dir)
  return ring
}

/** The setup code's server, at another address when one is given. */
function serverOf({ p2p }: CameraSettings, { server }: Pairing) {
  return server === undefined ? undefined : { ...server, ...p2p }
}
