/** Which path is better. Pure. */
import type { ChannelPath } from './channel.ts'

/** Best first: fewer hops, less that others have to carry, and UDP before what puts one TCP inside another's. */
export const PATHS = ['lan', 'punched', 'relay-udp', 'relay-tls'] as const satisfies readonly ChannelPath[]

/** 0 is the best. */
export function rankOf(path: ChannelPath): number {
  return PATHS.indexOf(path)
}

/** Anything is better than no path. */
export function isBetter(path: ChannelPath, than: ChannelPath | undefined): boolean {
  return than === undefined || rankOf(path) < rankOf(than)
}
