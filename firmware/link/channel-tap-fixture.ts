import type { Channel } from './channel.ts'

export interface ChannelTap {
  /** In place of the channel's own. */
  readonly send?: Channel['send']
  /** What arrives goes on only by `deliver`. */
  readonly arrived?: (message: Uint8Array, deliver: (message: Uint8Array) => void) => void
}

/** The same channel, with an ear on what goes through it. */
export function tapped(channel: Channel, { send, arrived }: ChannelTap): Channel {
  return {
    path: channel.path,
    remote: channel.remote,
    send: send ?? ((message) => channel.send(message)),
    onDrain: (listener) => channel.onDrain(listener),
    onClose: (listener) => channel.onClose(listener),
    close: () => channel.close(),
    onMessage: (listener) =>
      channel.onMessage(arrived === undefined ? listener : (message) => arrived(message, listener)),
  }
}
