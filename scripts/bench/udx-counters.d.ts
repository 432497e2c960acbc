/** What the benches read of udx-native 1.21.3 besides link/udx-native.d.ts. */
declare module 'udx-native' {
  interface UdxStream {
    /** With what was sent again. */
    readonly packetsTransmitted: number
    readonly packetsReceived: number
  }
}
