/** The part of hyperdht 6.34.0 that is used; the package brings no types. */
declare module 'hyperdht' {
  interface NodeOptions {
    /** `host:port` of each. */
    readonly bootstrap: readonly string[]
    readonly host?: string
    readonly port?: number
  }

  /** A streamx Duplex that keeps message boundaries. Errors carry a `code`. */
  interface Connection {
    write(message: Uint8Array): boolean
    destroy(): unknown
    on(event: 'data', listener: (message: Uint8Array) => void): this
    on(event: 'error', listener: (error: Error) => void): this
    on(event: 'close', listener: () => void): this
  }

  interface Server {
    readonly publicKey: Uint8Array
    listen(): Promise<void>
  }

  class DHT {
    constructor(options: NodeOptions)
    /** A node of a network of one's own, reached from everywhere. */
    static bootstrapper(port: number, host: string, options: NodeOptions): DHT
    fullyBootstrapped(): Promise<void>
    createServer(onConnection: (connection: Connection) => void): Server
    connect(publicKey: Uint8Array): Connection
  }
  export default DHT
  export type { Connection }
}
