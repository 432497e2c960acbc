/** The Noise handshake inside @hyperswarm/secret-stream 6.9.2; the package brings no types. */
declare module '@hyperswarm/secret-stream/lib/handshake.js' {
  interface KeyPair {
    readonly publicKey: Uint8Array
    readonly secretKey: Uint8Array
  }
  /** Keys are null until the handshake is complete. */
  interface Step {
    /** What to send: three bytes of length, little-endian, and the message. */
    readonly data: Uint8Array | null
    readonly remotePublicKey: Uint8Array | null
    readonly hash: Uint8Array | null
    readonly tx: Uint8Array | null
    readonly rx: Uint8Array | null
  }
  export default class Handshake {
    constructor(isInitiator: boolean, keyPair: KeyPair, remotePublicKey: Uint8Array | null, pattern: string)
    /** Takes the other side's message without its length; answers when it is this side's turn. Null: not acceptable. */
    recv(message: Uint8Array): Step | null
    send(): Step | null
  }
}
