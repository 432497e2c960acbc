import type { Random } from '../platform/random.ts'
import { isHomewardError } from '../wire/errors.ts'
import { Carrier } from './carry.ts'
import type { ServerAddresses } from './server-addresses.ts'
import type { Signals } from './signals.ts'

/** Which of its tags a camera asks by: the pair's, or that of a setup token. */
export type Tag = 'pair' | 'token'

export interface CameraCarriersOptions {
  /** Ed25519 key of the storage device. */
  readonly storage: Uint8Array
  readonly random: Random
  readonly tag: (by: Tag) => Uint8Array
  readonly returned: (box: Uint8Array) => void
  readonly signal: AbortSignal
}

/** A way to the P2P server. A line leads to one address of it, datagrams may go to all. */
export interface CarrierWay {
  readonly signals: Signals
  readonly server: ServerAddresses
  readonly isLine: boolean
}

/** A camera's boxes through the P2P server: a carrier for each way and each tag, made for the first box. */
export class CameraCarriers {
  readonly #options: CameraCarriersOptions
  readonly #carriers = new Map<Signals, Map<Tag, Promise<Carrier | undefined>>>()

  constructor(options: CameraCarriersOptions) {
    this.#options = options
  }

  /** Not carried when the server's name cannot be resolved. */
  send(box: Uint8Array, by: Tag, way: CarrierWay): void {
    void this.#carrier(way, by).then((carrier) => carrier?.send(box))
  }

  /** The next box of this way gets another carrier. */
  async drop(signals: Signals): Promise<void> {
    const carriers = [...(this.#carriers.get(signals)?.values() ?? [])]
    this.#carriers.delete(signals)
    for (const carrier of await Promise.all(carriers)) carrier?.close()
  }

  #carrier(way: CarrierWay, by: Tag): Promise<Carrier | undefined> {
    const { signals } = way
    const carriers = this.#carriers.get(signals) ?? new Map<Tag, Promise<Carrier | undefined>>()
    this.#carriers.set(signals, carriers)
    const known = carriers.get(by) ?? this.#newCarrier(way, by)
    carriers.set(by, known)
    return known
  }

  async #newCarrier({ signals, server, isLine }: CarrierWay, by: Tag): Promise<Carrier | undefined> {
    const { storage, random, tag, returned, signal } = this.#options
    try {
      const addresses = await server.current(signal)
      const carrier = new Carrier({
        ...{ signals, storage, tag: tag(by), random },
        server: { addresses: isLine ? addresses.slice(0, 1) : addresses, key: server.server.key },
      })
      carrier.onReturned(returned)
      return carrier
    } catch (error) {
      if (!isHomewardError(error)) throw error
      this.#carriers.get(signals)?.delete(by)
      return undefined
    }
  }
}
