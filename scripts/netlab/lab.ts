/**
 * A small internet out of Linux network namespaces: one for each host and router of a topology, and one that holds all
 * the switches. Nothing of it is seen outside, so several may stand at once.
 *
 *   node eth0 ══ veth ══ NODE.0 ─ bridge NETWORK ─ OTHER.0 ══ veth ══ eth0 other node
 *                        └── faults of the cable ──┘
 */
import { mkdirSync } from 'node:fs'
import { HomewardError } from '../../firmware/wire/errors.ts'
import { Faults } from './faults.ts'
import { folderOf, namespaceOf, newLabId, removeLab } from './leftovers.ts'
import { routerRules } from './rules.ts'
import { pause, runIp, runTool, runToolIn, setKernel } from './tool.ts'
import { deviceOf, type NodePlan, nodeNamed, switchDeviceOf, type Topology } from './topology.ts'

/** The namespace with the switches. */
const SWITCH = 'switch'
/**
 * Far from the numbers of the switch's devices: two ends of a cable with the same number, each in its own namespace,
 * are taken by the kernel for no cable at all, and the news of such a link waits up to a second.
 */
const FIRST_INDEX = 100
/** It takes a second at worst; the machine may be busy. */
const LINKED_WITHIN_MS = 10_000

export class Lab {
  readonly topology: Topology
  readonly id: string
  /** For whatever the programs keep. */
  readonly folder: string
  readonly faults: Faults

  private constructor(topology: Topology, id: string) {
    this.topology = topology
    this.id = id
    this.folder = folderOf(id)
    this.faults = new Faults(topology, (node) => this.namespace(node), namespaceOf(id, SWITCH))
  }

  /** Throws INTERNAL with what a tool said; then nothing is left of it. */
  static async create(topology: Topology): Promise<Lab> {
    const id = newLabId()
    try {
      const lab = new Lab(topology, id)
      lab.#build()
      await lab.#linked()
      return lab
    } catch (error) {
      removeLab(id)
      throw error
    }
  }

  /** Throws USAGE for a node that is not there. */
  namespace(node: string): string {
    return namespaceOf(this.id, nodeNamed(this.topology, node).name)
  }

  /** The command that runs `command` on a node. */
  on(node: string, command: readonly string[]): string[] {
    return ['ip', 'netns', 'exec', this.namespace(node), ...command]
  }

  /** Idempotent. What still runs on the nodes is killed. */
  close(): void {
    removeLab(this.id)
  }

  #build(): void {
    const { nodes } = this.topology
    mkdirSync(this.folder)
    const plug = namespaceOf(this.id, SWITCH)
    const names = [plug, ...nodes.map(({ name }) => this.namespace(name))]
    runIp(names.map((name) => `netns add ${name}`))
    // Nobody else has the addresses. Asking the network first takes IPv6 two seconds, in which a router passes nothing
    // on.
    for (const name of names) setKernel(name, { 'net.ipv6.conf.default.accept_dad': 0 })
    runIp(
      nodes.flatMap((node) =>
        node.ports.map((_port, index) => {
          const cable = `type veth peer name ${switchDeviceOf(node, index)} netns ${plug}`
          return `link add ${deviceOf(index)} index ${FIRST_INDEX + index} netns ${this.namespace(node.name)} ${cable}`
        }),
      ),
    )
    runIp(switchCommands(nodes), plug)
    for (const node of nodes) this.#buildNode(node)
    for (const node of this.topology.udpBlocked ?? []) this.faults.blockUdp(node)
  }

  /** The kernel tells programs of a new link a moment later; one that started before would think it had no network. */
  async #linked(): Promise<void> {
    const namespaces = [namespaceOf(this.id, SWITCH), ...this.topology.nodes.map(({ name }) => this.namespace(name))]
    const deadline = performance.now() + LINKED_WITHIN_MS
    for (const namespace of namespaces) {
      for (;;) {
        const down = runTool('ip', ['-n', namespace, '-br', 'link', 'show', 'type', 'veth'])
          .split('\n')
          .filter((line) => line !== '' && !/^\S+ +UP /.test(line))
        if (down.length === 0) break
        if (performance.now() > deadline)
          throw new HomewardError('INTERNAL', `${namespace} has no link: ${down.join()}`)
        await pause(5)
      }
    }
  }

  #buildNode(node: NodePlan): void {
    const namespace = this.namespace(node.name)
    if (node.forwards !== undefined) {
      setKernel(namespace, { 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 })
    }
    const { ports, gateway } = node
    runIp(
      [
        'link set lo up',
        ...ports.flatMap(({ address }, index) => [
          `addr add ${address} dev ${deviceOf(index)}`,
          `link set ${deviceOf(index)} up`,
        ]),
        ...(gateway === undefined ? [] : [`route add default via ${gateway}`]),
      ],
      namespace,
    )
    const rules = routerRules(node)
    if (rules !== '') runToolIn(namespace, 'nft', ['-f', '-'], rules)
  }
}

function switchCommands(nodes: readonly NodePlan[]): string[] {
  const networks = new Set(nodes.flatMap(({ ports }) => ports.map(({ network }) => network)))
  return [
    ...[...networks].flatMap((network) => [`link add ${network} type bridge`, `link set ${network} up`]),
    ...nodes.flatMap((node) =>
      node.ports.map(({ network }, index) => `link set ${switchDeviceOf(node, index)} master ${network} up`),
    ),
  ]
}

/** Why no lab can be built here; undefined when it can. */
export async function labTrouble(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'network namespaces are Linux only'
  if (process.getuid?.() !== 0) return 'only root may make network namespaces'
  for (const [program, flag, debianPackage] of TOOLS) {
    try {
      runTool(program, [flag])
    } catch {
      return `there is no ${program}: sudo apt-get install -y ${debianPackage}`
    }
  }
  try {
    const lab = await Lab.create(TINY)
    lab.close()
    return undefined
  } catch (error) {
    return `this machine builds none: ${error instanceof Error ? error.message.split('\n')[0] : error}`
  }
}

const TOOLS = [
  ['ip', '-V', 'iproute2'],
  ['nft', '--version', 'nftables'],
  ['conntrack', '--version', 'conntrack'],
] as const

/** Everything that a kernel or a container might not allow. */
const TINY: Topology = {
  name: 'tiny',
  about: 'one NAT',
  nodes: [
    {
      name: 'router',
      ports: [{ network: 'wan', address: '192.0.2.1/24' }],
      forwards: { kind: 'symmetric', wan: 'wan' },
    },
  ],
  udpBlocked: ['router'],
  best: 'lan',
}
