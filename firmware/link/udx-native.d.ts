/** The part of udx-native 1.21.3 that is used; the package brings no types. */
declare module 'udx-native' {
  interface UdxRemote {
    readonly host: string
    readonly family: 4 | 6
    readonly port: number
  }

  interface UdxSocket {
    /** Throws an Error with a system `code`. */
    bind(port: number, host: string): void
    address(): UdxRemote | null
    /** Fire and forget; throws when `host` is not an IP address. */
    trySend(message: Uint8Array, port: number, host: string): void
    on(event: 'message', listener: (message: Uint8Array, from: UdxRemote) => void): this
    /** Resolves once every stream on the socket has closed too. */
    close(): Promise<void>
  }

  /** A streamx Duplex. */
  interface UdxStream {
    connect(socket: UdxSocket, remoteId: number, port: number, host: string): void
    write(chunk: Uint8Array): boolean
    end(): unknown
    destroy(error?: Error): unknown
    resume(): unknown
    pause(): unknown
    on(event: 'data', listener: (chunk: Uint8Array) => void): this
    on(event: 'end' | 'drain' | 'close', listener: () => void): this
    on(event: 'error', listener: (error: Error) => void): this
    once(event: 'readable' | 'close', listener: () => void): this
  }

  class UDX {
    createSocket(): UdxSocket
    /** `id` must be unique among all open streams of the instance; nothing checks that. */
    createStream(id: number): UdxStream
  }
  export default UDX
  export type { UdxRemote, UdxSocket, UdxStream }
}
