/** HyperDHT in a lab: nodes in the server's network, one server on the storage device's node, one client on the camera's. */
import type { Lab } from '../netlab/lab.ts'
import { runIp } from '../netlab/tool.ts'
import { deviceOf, hostOf, lineOf, nodeNamed } from '../netlab/topology.ts'
import { Child } from './child.ts'
import type { HyperdhtConnected, HyperdhtOrders } from './hyperdht-end.ts'

/** It takes four others, on different hosts, to tell what kind of NAT it is behind. */
const NODES = 5

/** It ends with the lab. */
export class Hyperdht {
  readonly #client: Child<HyperdhtOrders>
  readonly #publicKey: Uint8Array

  private constructor(client: Child<HyperdhtOrders>, publicKey: Uint8Array) {
    this.#client = client
    this.#publicKey = publicKey
  }

  /** Everything that stays up between connects is up. */
  static async open(lab: Lab): Promise<Hyperdht> {
    const on = (node: string) => new Child<HyperdhtOrders>('hyperdht-end.ts', (command) => lab.on(node, command))
    const bootstrap = await on('server').ask('found', { hosts: addHosts(lab) })
    const server = on('storage')
    await server.ask('join', { bootstrap })
    const publicKey = await server.ask('listen', undefined)
    const client = on('camera')
    await client.ask('join', { bootstrap })
    return new Hyperdht(client, publicKey)
  }

  connect(): Promise<HyperdhtConnected> {
    return this.#client.ask('connect', { publicKey: this.#publicKey })
  }
}

/** More addresses for the lab's server, next to its own. */
function addHosts(lab: Lab): string[] {
  const server = nodeNamed(lab.topology, 'server')
  const [, network = '', last = ''] = /^(.*\.)(\d+)$/.exec(hostOf(server)) ?? []
  const hosts = Array.from({ length: NODES }, (_, index) => `${network}${Number(last) + 1 + index}`)
  runIp(
    hosts.map((host) => `addr add ${host}/24 dev ${deviceOf(lineOf(server))}`),
    lab.namespace('server'),
  )
  return hosts
}
