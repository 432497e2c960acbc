/** The rival in connecting: HyperDHT's own nodes, its server or its client, as a process. */
import DHT, { type Connection } from 'hyperdht'
import { HomewardError, systemCode } from '../../firmware/wire/errors.ts'
import { obey } from './child.ts'

export type HyperdhtOrders = {
  /** Nodes that everybody reaches, one on each address; resolves with where to begin. */
  readonly found: (given: { readonly hosts: readonly string[] }) => Promise<readonly string[]>
  /** A node that stays up. It gives up when it meets no other. */
  readonly join: (given: { readonly bootstrap: readonly string[] }) => Promise<void>
  /** Echoes from now on, and tells its key. */
  readonly listen: (given: undefined) => Promise<Uint8Array>
  /** A connection of its own until the first byte is echoed. */
  readonly connect: (given: { readonly publicKey: Uint8Array }) => Promise<HyperdhtConnected>
}

/** `code`: why there is no connection. */
export type HyperdhtConnected = { readonly echoedMs: number } | { readonly code: string }

const PORT = 49_737
const CONNECT_WITHIN_MS = 30_000

let node: DHT | undefined

const orders: HyperdhtOrders = {
  found: async ({ hosts }) => {
    const bootstrap: string[] = []
    for (const host of hosts) {
      await DHT.bootstrapper(PORT, host, { bootstrap: [...bootstrap], host }).fullyBootstrapped()
      bootstrap.push(`${host}:${PORT}`)
    }
    return bootstrap
  },
  join: async ({ bootstrap }) => {
    node = new DHT({ bootstrap })
    await node.fullyBootstrapped()
  },
  listen: async () => {
    const server = joined().createServer((connection) => {
      connection.on('error', () => undefined)
      connection.on('data', (message) => connection.write(message))
    })
    await server.listen()
    // A Buffer would bring the memory it is a part of.
    return Uint8Array.from(server.publicKey)
  },
  connect: ({ publicKey }) => firstEcho(() => joined().connect(publicKey)),
}
obey(orders)

function joined(): DHT {
  if (node === undefined) throw new HomewardError('INTERNAL', 'has not joined the network')
  return node
}

async function firstEcho(connect: () => Connection): Promise<HyperdhtConnected> {
  const startedMs = performance.now()
  const connection = connect()
  const closed = new Promise<void>((resolve) => connection.on('close', resolve))
  const outcome = await new Promise<HyperdhtConnected>((resolve) => {
    const timer = setTimeout(() => resolve({ code: 'TIMED_OUT' }), CONNECT_WITHIN_MS)
    connection.on('data', () => resolve({ echoedMs: performance.now() - startedMs }))
    connection.on('error', (error) => resolve({ code: systemCode(error) ?? error.message }))
    connection.on('close', () => {
      clearTimeout(timer)
      resolve({ code: 'CLOSED' })
    })
    connection.write(Uint8Array.of(1))
  })
  connection.destroy()
  await closed
  return outcome
}
