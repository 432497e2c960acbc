/**
 * What goes wrong with a network while programs use it. A node's cable is that of its line: a home router's is its WAN.
 */
import { HomewardError } from '../../firmware/wire/errors.ts'
import { type CableFaults, faultRules, SOUND } from './rules.ts'
import { runIp, runToolIn, setKernel } from './tool.ts'
import { deviceOf, lineOf, nodeNamed, switchDeviceOf, type Topology } from './topology.ts'

export class Faults {
  readonly #topology: Topology
  readonly #namespaceOf: (node: string) => string
  readonly #switch: string
  readonly #cables = new Map<string, CableFaults>()

  constructor(topology: Topology, namespaceOf: (node: string) => string, switchNamespace: string) {
    this.#topology = topology
    this.#namespaceOf = namespaceOf
    this.#switch = switchNamespace
  }

  /** The cable is pulled: the node's device stays up and keeps its address, without a link. */
  pull(node: string): void {
    runIp([`link set ${this.#cable(node)} down`], this.#switch)
  }

  plug(node: string): void {
    runIp([`link set ${this.#cable(node)} up`], this.#switch)
  }

  /**
   * Another lease: `address` with prefix length, on the same network. A router forgets its mappings with the old one.
   */
  renumber(node: string, address: string): void {
    const plan = nodeNamed(this.#topology, node)
    const device = deviceOf(lineOf(plan))
    if (!/^[0-9a-f.:]+\/\d+$/.test(address)) {
      throw new HomewardError('USAGE', `"${address}" is no address with its prefix length, such as 192.168.1.77/24`)
    }
    runIp(
      [
        `addr flush dev ${device} scope global`,
        `addr add ${address} dev ${device}`,
        // The route left with the address it was reached from.
        ...(plan.gateway === undefined ? [] : [`route replace default via ${plan.gateway}`]),
      ],
      this.#namespaceOf(node),
    )
  }

  /**
   * A router forgets all its mappings, as when it is restarted. Making its NAT rules anew would not do: mappings stand
   * in the kernel's table of connections.
   */
  flush(router: string): void {
    runToolIn(this.#router(router), 'conntrack', ['--flush'])
  }

  /**
   * How long a router remembers a silent UDP mapping: one that was never answered, and one that was. Linux has 30 s and
   * 120 s.
   */
  setUdpTimeouts(router: string, unansweredS: number, answeredS: number): void {
    setKernel(this.#router(router), {
      'net.netfilter.nf_conntrack_udp_timeout': unansweredS,
      'net.netfilter.nf_conntrack_udp_timeout_stream': answeredS,
    })
  }

  blockUdp(node: string): void {
    this.#change(node, { udpBlocked: true })
  }

  allowUdp(node: string): void {
    this.#change(node, { udpBlocked: false })
  }

  /** Nothing passes in one direction any more: `from` the node or `to` it. */
  cut(node: string, direction: 'from' | 'to'): void {
    this.#change(node, { cut: direction })
  }

  mend(node: string): void {
    this.#change(node, { cut: 'none' })
  }

  /** Of the packets of each direction; 0 ends it. */
  lose(node: string, percent: number): void {
    if (!Number.isInteger(percent) || percent < 0 || percent > 100) {
      throw new HomewardError('USAGE', `a loss of ${percent} % is not possible, expected a whole number from 0 to 100`)
    }
    this.#change(node, { lossPercent: percent })
  }

  #change(node: string, change: Partial<CableFaults>): void {
    const cable = this.#cable(node)
    this.#cables.set(cable, { ...SOUND, ...this.#cables.get(cable), ...change })
    runToolIn(this.#switch, 'nft', ['-f', '-'], faultRules(this.#cables))
  }

  #cable(node: string): string {
    const plan = nodeNamed(this.#topology, node)
    return switchDeviceOf(plan, lineOf(plan))
  }

  #router(name: string): string {
    if (nodeNamed(this.#topology, name).forwards === undefined) {
      throw new HomewardError('USAGE', `${name} is no router`)
    }
    return this.#namespaceOf(name)
  }
}
