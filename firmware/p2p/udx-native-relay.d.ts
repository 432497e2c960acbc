/** What the relay uses of udx-native 1.21.3 besides link/udx-native.d.ts. */
declare module 'udx-native' {
  interface UdxStream {
    /** Undefined before `connect` and after the end. */
    readonly socket: UdxSocket | null
    /** Grows on a relayed stream too, by what arrives for it. */
    readonly bytesReceived: number
    /** Once only: every packet that arrives for this stream goes out to the other end of `destination`. */
    relayTo(destination: UdxStream): void
    /**
     * Goes into effect at once. Null when nothing of our own is under way; otherwise it resolves when all of that is ACKed, and
     * throws until then when it is called again.
     */
    changeRemote(socket: UdxSocket, remoteId: number, port: number, host: string): Promise<void> | null
    /** What the binding calls when a change is over: the promise resolves, and the next change is possible. */
    _onremotechanged(): void
  }
}
