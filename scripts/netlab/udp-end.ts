/**
 * A UDP socket on a node of a lab, for what a test wants to know about the network between two of them. It ends with
 * the lab.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { HomewardError } from '../../firmware/wire/errors.ts'
import type { Lab } from './lab.ts'
import { pause } from './tool.ts'
import { hostOf, nodeNamed } from './topology.ts'

const PROCESS = fileURLToPath(new URL('udp-end-process.ts', import.meta.url))
/** The longest way through a lab takes under a millisecond; the machine may be busy. */
const ARRIVES_WITHIN_MS = 2_000
/** What has not arrived by then was dropped. */
const QUIET_MS = 250

export interface ToSend {
  readonly text: string
  readonly host: string
  readonly port: number
  readonly times: number
}

export interface Received {
  readonly text: string
  /** As a text of an address and a port. */
  readonly from: string
}

export class UdpEnd {
  readonly port: number
  readonly #child: ChildProcess
  readonly #received: Received[] = []

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.port = port
    child.on('message', (message) => this.#received.push(message as Received))
  }

  static async open(lab: Lab, node: string, port = 0): Promise<UdpEnd> {
    const family = hostOf(nodeNamed(lab.topology, node)).includes(':') ? 'udp6' : 'udp4'
    const command = [process.execPath, '--import', 'tsx', PROCESS, family, `${port}`]
    const [program = '', ...args] = lab.on(node, command)
    const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const [first] = await Promise.race([once(child, 'message'), once(child, 'exit')])
    if (typeof first !== 'object') throw new HomewardError('INTERNAL', `no UDP socket on ${node}: exit status ${first}`)
    return new UdpEnd(child, (first as { bound: number }).bound)
  }

  send(text: string, host: string, port: number, times = 1): void {
    this.#child.send({ text, host, port, times } satisfies ToSend)
  }

  /** The other end answers to where this one's datagram came from. */
  answer(text: string, to: string): void {
    const [, host = '', port = ''] = /^\[?(.+?)\]?:(\d+)$/.exec(to) ?? []
    this.send(text, host, Number(port))
  }

  /** Where `text` came from. Throws TIMED_OUT. */
  async from(text: string): Promise<string> {
    const deadline = performance.now() + ARRIVES_WITHIN_MS
    for (;;) {
      const found = this.#received.find((one) => one.text === text)
      if (found !== undefined) return found.from
      if (performance.now() > deadline) throw new HomewardError('TIMED_OUT', `"${text}" has not arrived`)
      await pause(5)
    }
  }

  /** Whether `text` has arrived, by a time at which it would have: for what must not. */
  async got(text: string): Promise<boolean> {
    await pause(QUIET_MS)
    return this.count(text) > 0
  }

  /** Resolves once no more of it arrives. */
  async settled(text: string): Promise<void> {
    for (let before = -1; before !== this.count(text); ) {
      before = this.count(text)
      await pause(QUIET_MS)
    }
  }

  count(text: string): number {
    return this.#received.filter((one) => one.text === text).length
  }
}
