/** Two processes joined through a relay. */
import type { Address } from '../../firmware/link/address.ts'
import { createIdentity } from '../../firmware/link/identity.ts'
import { NoiseInitiator, respondNoise } from '../../firmware/link/noise.ts'
import type { SetupServer } from '../../firmware/link/setup-code.ts'
import { realRandom } from '../../firmware/platform/random.ts'
import { HomewardError } from '../../firmware/wire/errors.ts'
import { Child } from './child.ts'
import type { RelayOrders, Sent } from './relay-end.ts'

/** Of a relay, as two ends agree on it. */
const KEY_BYTES = 16
const MODULE = 'relay-end.ts'

type End = Child<RelayOrders>

export class RelayPair {
  readonly #sender: End
  readonly #receiver: End

  private constructor(sender: End, receiver: End) {
    this.#sender = sender
    this.#receiver = receiver
  }

  /** The receiver is the storage device. */
  static byOurs(server: SetupServer): Promise<RelayPair> {
    return RelayPair.#open(async (sender, receiver) => {
      const key = realRandom.bytes(KEY_BYTES)
      await Promise.all([
        receiver.ask('join', { server, key, as: 'owner' }),
        sender.ask('join', { server, key, as: 'camera' }),
      ])
    })
  }

  /** The sender has the allocation; each datagram is relayed once, as by ours. */
  static byTurn(server: Address): Promise<RelayPair> {
    return RelayPair.#open(async (sender, receiver) => {
      const { stream } = await sender.ask('place', undefined)
      const peer = await receiver.ask('place', undefined)
      const address = await sender.ask('allocate', { server, peer })
      await receiver.ask('connect', { to: { address, stream } })
    })
  }

  static async #open(join: (sender: End, receiver: End) => Promise<void>): Promise<RelayPair> {
    const [sender, receiver] = [new Child<RelayOrders>(MODULE), new Child<RelayOrders>(MODULE)]
    const pair = new RelayPair(sender, receiver)
    try {
      await join(sender, receiver)
      await pair.#secure()
      return pair
    } catch (error) {
      await pair.close()
      throw error
    }
  }

  async move(bytes: number, bytesPerSecond: number): Promise<Sent> {
    await this.#receiver.ask('expect', { bytes })
    return this.#sender.ask('send', { bytes, bytesPerSecond })
  }

  async close(): Promise<void> {
    await Promise.all([this.#sender.close(), this.#receiver.close()])
  }

  async #secure(): Promise<void> {
    const [one, other] = [createIdentity(), createIdentity()]
    const noise = new NoiseInitiator(one, other.publicKey)
    const response = respondNoise(other, one.publicKey, noise.message)
    const keys = response && noise.finish(response.reply)
    if (response === undefined || keys === undefined) throw new HomewardError('INTERNAL', 'no handshake')
    await this.#receiver.ask('secure', { initiator: false, keys: response.keys })
    await this.#sender.ask('secure', { initiator: true, keys })
  }
}
