/**
 * What a lab consists of: nodes with ports on networks, how a router forwards, and what the programs may reach with it.
 */
import type { ChannelPath } from '../../firmware/link/channel.ts'
import { HomewardError } from '../../firmware/wire/errors.ts'

export interface Port {
  /** Every network is one switch; nodes with a port on it reach each other directly. */
  readonly network: string
  /** With prefix length: `192.168.1.20/24`. */
  readonly address: string
}

/**
 * How a router passes packets on. `routed`: as they are. `port-keeping`: a home router whose mapping shows the same
 * port to everybody, as long as it is free. `symmetric`: another random port for each destination. Both let only
 * answers in.
 */
export type Forwarding =
  | { readonly kind: 'routed' }
  | { readonly kind: 'port-keeping' | 'symmetric'; readonly wan: string }

export interface NodePlan {
  /** Short: devices are named after it, and a device's name has at most 15 characters. */
  readonly name: string
  readonly ports: readonly Port[]
  /** Next hop of everything that is not on a network of its own. */
  readonly gateway?: string
  /** Routers only. */
  readonly forwards?: Forwarding
}

export interface Topology {
  readonly name: string
  readonly about: string
  /** One named `server`, one `storage`, one or more that begin with `camera`; the others are routers. */
  readonly nodes: readonly NodePlan[]
  /** Nodes whose line lets no UDP through, either way. */
  readonly udpBlocked?: readonly string[]
  /** The P2P server stops for good once the cameras are paired. */
  readonly serverDies?: boolean
  /** The best path this network allows: where a camera must be in the end. */
  readonly best: ChannelPath
  /** Paths that may carry a camera until the best one is found. */
  readonly onTheWay?: readonly ChannelPath[]
  /** The best path takes a search for a port, and is there so long after the camera's start at the latest. */
  readonly searchedWithinMs?: number
}

/** Throws USAGE. */
export function nodeNamed({ nodes }: Topology, name: string): NodePlan {
  const found = nodes.find((node) => node.name === name)
  if (found !== undefined) return found
  const known = nodes.map((node) => node.name).join(', ')
  throw new HomewardError('USAGE', `there is no node "${name}"`, { hint: `There are: ${known}.` })
}

export function camerasOf({ nodes }: Topology): string[] {
  return nodes.map(({ name, forwards }) => (forwards === undefined ? name : '')).filter((name) => /^camera/.test(name))
}

/** The node's own device of its port number `index`. */
export function deviceOf(index: number): string {
  return `eth${index}`
}

/** The switch's end of that cable. */
export function switchDeviceOf(node: NodePlan, index: number): string {
  return `${node.name}.${index}`
}

/** The port that leads to the rest of the world: a home router's WAN, a host's only one. */
export function lineOf({ ports, forwards }: NodePlan): number {
  if (forwards === undefined || forwards.kind === 'routed') return 0
  return ports.findIndex(({ network }) => network === forwards.wan)
}

/** Of the port's address, without its prefix length. */
export function hostOf({ ports }: NodePlan, index = 0): string {
  return ports[index]?.address.replace(/\/\d+$/, '') ?? ''
}
