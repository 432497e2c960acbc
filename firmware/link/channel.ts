/** Which way a channel's bytes travel. */
export type ChannelPath = 'lan' | 'punched' | 'relay-udp' | 'relay-tls'

/**
 * Why a channel ended: we closed it (`closed`), the other side did (`ended`), nothing arrived any more (`silent`), the
 * connection below was reset or timed out (`reset`), what arrived was not what the other side sealed (`malformed`), the
 * other side sent more than it may (`overrun`), a newer channel of the same camera took over (`replaced`). Whatever it
 * is, it is never an error of the session above: open another channel, ask what is durable, go on.
 */
export type ChannelCloseReason = 'closed' | 'ended' | 'silent' | 'reset' | 'malformed' | 'overrun' | 'replaced'

/** Longest message a channel carries: a control frame or a piece of media, with room for their headers. */
export const CHANNEL_MESSAGE_MAX_BYTES = 64 * 1024 + 1024

/**
 * One encrypted connection over one path, both ends authenticated. Message boundaries are kept, messages arrive whole,
 * in order and unchanged, or the channel closes. It is disposable: it is never repaired, only replaced.
 */
export interface Channel {
  readonly path: ChannelPath
  /** Ed25519 public key of the other side, proven. */
  readonly remote: Uint8Array
  /**
   * Queues one message of 1 to CHANNEL_MESSAGE_MAX_BYTES (INTERNAL otherwise), copied before this returns. False: wait for
   * `onDrain` before sending more. After the end it does nothing and says false.
   */
  send(message: Uint8Array): boolean
  /** The one receiver of messages, which are its own to keep; what arrived before it was set is handed over at once. */
  onMessage(listener: (message: Uint8Array) => void): void
  /** The one that is told when `send` may go on. */
  onDrain(listener: () => void): void
  /** Any number may listen; told once, also when it had already ended. */
  onClose(listener: (reason: ChannelCloseReason) => void): void
  /** Sends what is already queued, for a short while, then ends. Idempotent; resolves when nothing of it is left. */
  close(): Promise<void>
}
