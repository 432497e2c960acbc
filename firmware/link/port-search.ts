/**
 * The search for a port, for a pair of which exactly one NAT is symmetric. Nobody can name the port that such a NAT will
 * show to the other side, so the side behind it opens many sockets, each of which sends one probe to the other's address:
 * as many ports that let the other's datagrams in. The other side probes ports of that NAT at random. The socket that is
 * hit carries the channel, the rest is closed. Pure: roles and numbers.
 */
import type { NatKind } from './nat.ts'

/** `listen`: has the symmetric NAT, and opens the sockets. `spray`: sends to random ports. */
export type SearchRole = 'listen' | 'spray'

/**
 * What a storage device says to a request to punch, which may be one to search. `no`: it knows no NATs that a search would
 * help. `busy`: it searches for another camera, or has searched for this one too often.
 */
export type SearchAnswer = 'unasked' | 'no' | 'running' | 'busy'

/**
 * Of the 64,512 ports that NATs give out, 256 are ours: 174 probes hit one of them in half of all cases. Cheap: 4 MB and
 * 20 ms of a small processor, 256 file descriptors of the 1,024 that a process has at least.
 */
export const SEARCH_SOCKETS = 256
/** Opened in batches, for a packet of the channel in use should not wait for all of them. */
export const SOCKETS_AT_ONCE = 16
export const SOCKETS_EVERY_MS = 10
/** All of them miss once in 450 searches; 1,536 is well below what a home router's table of connections holds. */
export const SPRAY_PROBES = 1_536
/** 200 a second: 0.5 Mbit/s beside the relayed footage, and less than routers take for a flood. 7.7 s for all. */
export const SPRAY_AT_ONCE = 4
export const SPRAY_EVERY_MS = 20
/** After a hold-up, as a busy processor has many, what was missed is made up for, few at a time. */
export const SPRAY_MADE_UP_MAX = 16
/** What RFC 6335 leaves to everybody: NATs give out no port below. */
export const SPRAY_FIRST_PORT = 1_024
/** The request by way of the server, all probes, and the round trips after a hit. Mappings live for 30 s at least. */
export const SEARCH_LIMIT_MS = 12_000
/** The request to search, until it is answered: it or the answer may get lost. */
export const SEARCH_ASK_SCHEDULE_MS = [0, 300, 1_000, 2_500] as const

/** Undefined when a search is of no use: without a symmetric NAT punching needs none, with two it would not help. */
export function searchRole(own: NatKind | undefined, other: NatKind | undefined): SearchRole | undefined {
  if (own === 'symmetric' && isKnown(other)) return 'listen'
  if (other === 'symmetric' && isKnown(own)) return 'spray'
  return undefined
}

function isKnown(nat: NatKind | undefined): boolean {
  return nat === 'cone' || nat === 'none'
}
