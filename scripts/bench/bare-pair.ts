/** Two processes joined by a bare secret-stream over udx on loopback. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createIdentity } from '../../firmware/link/identity.ts'
import { NoiseInitiator, respondNoise } from '../../firmware/link/noise.ts'
import { HomewardError } from '../../firmware/wire/errors.ts'
import type { BareAnswer, BareOrder } from './bare-end.ts'

const END = fileURLToPath(new URL('bare-end.ts', import.meta.url))

class BareEnd {
  readonly #child: ChildProcess
  readonly exited: Promise<void>

  constructor() {
    // Keys are bytes: JSON would make objects of them.
    this.#child = fork(END, { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    this.exited = new Promise((resolve) => this.#child.once('exit', () => resolve()))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  tell(order: BareOrder): void {
    this.#child.send(order)
  }

  /** Its next answer. */
  async answer(): Promise<BareAnswer> {
    return new Promise((resolve, reject) => {
      this.#child.once('message', (message) => resolve(message as BareAnswer))
      void this.exited.then(() => reject(new HomewardError('INTERNAL', 'an end of the bare stream has ended')))
    })
  }

  async close(): Promise<void> {
    this.#child.kill()
    await this.exited
  }
}

export class BarePair {
  readonly #sender: BareEnd
  readonly #receiver: BareEnd

  private constructor(sender: BareEnd, receiver: BareEnd) {
    this.#sender = sender
    this.#receiver = receiver
  }

  static async open(): Promise<BarePair> {
    const ends = [new BareEnd(), new BareEnd()] as const
    const [sender, receiver] = ends
    const ports = await Promise.all(ends.map(async (end) => portIn(await end.answer())))
    const [alice, bob] = [createIdentity(), createIdentity()]
    const first = new NoiseInitiator(alice, bob.publicKey)
    const answer = respondNoise(bob, alice.publicKey, first.message)
    const keys = answer === undefined ? undefined : first.finish(answer.reply)
    if (answer === undefined || keys === undefined) throw new HomewardError('INTERNAL', 'the handshake failed')
    sender.tell({ do: 'connect', port: ports[1] ?? 0, initiator: true, keys })
    receiver.tell({ do: 'connect', port: ports[0] ?? 0, initiator: false, keys: answer.keys })
    return new BarePair(sender, receiver)
  }

  get pids(): { readonly sender: number; readonly receiver: number } {
    return { sender: this.#sender.pid, receiver: this.#receiver.pid }
  }

  /** One after the other. Resolves with the time from the first byte until the sender knows that all have been received. */
  async move(bytes: number, bytesPerSecond = 0): Promise<number> {
    const done = this.#sender.answer()
    this.#receiver.tell({ do: 'receive', bytes })
    this.#sender.tell({ do: 'send', bytes, bytesPerSecond })
    const answer = await done
    return 'tookMs' in answer ? answer.tookMs : Number.NaN
  }

  async close(): Promise<void> {
    await Promise.all([this.#sender.close(), this.#receiver.close()])
  }
}

function portIn(answer: BareAnswer): number {
  return 'port' in answer ? answer.port : 0
}
