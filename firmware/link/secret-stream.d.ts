/** The part of @hyperswarm/secret-stream 6.9.2 that is used; the package brings no types. */
declare module '@hyperswarm/secret-stream' {
  /** What it uses of the stream below. */
  interface RawStream {
    write(chunk: Uint8Array): boolean
    end(): unknown
    destroy(error?: Error): unknown
    resume(): unknown
    pause(): unknown
    on(event: 'data', listener: (chunk: Uint8Array) => void): unknown
    on(event: 'error', listener: (error: Error) => void): unknown
    on(event: 'end' | 'drain' | 'close', listener: () => void): unknown
  }

  interface SecretStreamOptions {
    /** Keys of a finished Noise handshake: nothing is exchanged but the headers of the ciphers. */
    readonly handshake: {
      readonly tx: Uint8Array
      readonly rx: Uint8Array
      readonly hash: Uint8Array
      readonly publicKey: Uint8Array
      readonly remotePublicKey: Uint8Array
    }
    /** False: no unordered datagrams beside the stream (they carry no replay check). */
    readonly enableSend: false
  }

  /** A streamx Duplex that keeps message boundaries. */
  class NoiseSecretStream {
    constructor(isInitiator: boolean, rawStream: RawStream, options: SecretStreamOptions)
    /** Memory for a message of `bytes`; written before the next `alloc`, it is encrypted without a copy. */
    alloc(bytes: number): Uint8Array
    write(message: Uint8Array): boolean
    end(): unknown
    destroy(error?: Error): unknown
    on(event: 'data', listener: (message: Uint8Array) => void): this
    on(event: 'drain' | 'end' | 'close', listener: () => void): this
    on(event: 'error', listener: (error: Error) => void): this
  }
  export default NoiseSecretStream
  export type { RawStream }
}
