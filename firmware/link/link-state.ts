/** States, events, actions and timers of the connect machine. */
import type { ErrorCode } from '../wire/errors.ts'
import type { Address } from './address.ts'
import type { Attempt, Candidate, RelayCandidate, Trial } from './attempt.ts'
import type { ChannelCloseReason, ChannelPath } from './channel.ts'
import type { NatKind } from './nat.ts'
import type { SearchRole } from './port-search.ts'

/** After the first failure: short, for most failures are a storage device that restarts or a cable that is moved. */
export const RETRY_FIRST_MS = 500
/** Doubled up to this: a storage device that comes back in the morning is found within half a minute. */
export const RETRY_LONGEST_MS = 30_000
/** A person stands beside the camera and waits. */
export const ENROL_RETRY_LONGEST_MS = 5_000
/** A channel that lived this long was a good one: its end is news, not one more failure of the same kind. */
export const STABLE_MS = 10_000
/** A path that opens but does not last is taken again within 4 s all the same: footage moves in between. */
export const FLAPPING_FAILURES_MAX = 3
/**
 * On anything but a LAN the better paths are tried again: soon, for a hole often only needs a second try, then more and more
 * rarely, for a pair of symmetric NATs will not change its mind. The last one repeats.
 */
export const UPGRADE_AFTER_MS = [5_000, 15_000, 60_000, 300_000] as const

/**
 * A search for a port waits this long from the start of its attempt, and of the channel in use: what is punched without one
 * is punched by then, and the first fragment on its way.
 */
export const SEARCH_AFTER_MS = 1_000
/**
 * After a search that found nothing the next one waits: almost all find the port the first time, so the NATs are of another
 * kind than was thought. The last one repeats.
 */
export const SEARCH_AGAIN_MS = [60_000, 300_000] as const
/** After one that was refused, for the storage device searches for another camera, or found a port that did not last. */
export const SEARCH_SOON_MS = 12_000

/** What the machine is told beforehand. */
export interface ConnectConfig {
  /** Addresses of the storage device, most recently met first. */
  readonly known: readonly Address[]
  /** False while a setup token is still to be used. */
  readonly enrolled: boolean
  /** Whether there is a P2P server to ask, to carry requests and to relay. */
  readonly server: boolean
}

export type LinkState =
  | { readonly name: 'idle' }
  /** Shows the setup token at every address and through the server, in rounds with a rest in between. */
  | {
      readonly name: 'enrolling'
      readonly sinceMs: number
      readonly round: number
      readonly attempt: Attempt
      readonly restUntilMs: number | undefined
    }
  /** Asks the server, probes all addresses, punches and opens relays, each with its head start. */
  | { readonly name: 'walking'; readonly attempt: Attempt }
  | {
      readonly name: 'connected'
      /** The latest attempt: the one that led here, or one to find something better. */
      readonly attempt: Attempt
      /** How it was reached. */
      readonly used: Trial
      readonly opening: number
      readonly sinceMs: number
      /** Attempts made to find a better path, and when the next one begins; never on the best one. */
      readonly upgrades: number
      readonly upgradeMs: number | undefined
    }
  | {
      readonly name: 'lost'
      readonly attempt: Attempt
      /** Why the last channel ended, when it was one that ended. */
      readonly why: ChannelCloseReason | 'no path'
      readonly sinceMs: number
      readonly retryMs: number
    }

/** A state by its name. */
export type In<Name extends LinkState['name']> = Extract<LinkState, { readonly name: Name }>
/** States in which paths are tried. */
export type Active = In<'walking' | 'connected'>

export interface Machine {
  readonly state: LinkState
  readonly config: ConnectConfig
  /** In a row. */
  readonly failures: number
  /** What the NATs of the two devices do, as far as is known. */
  readonly nat: { readonly camera: NatKind | undefined; readonly storage: NatKind | undefined }
  /** Searches for a port that found nothing, in a row, and when the next one may begin. */
  readonly search: { readonly failures: number; readonly notBeforeMs: number }
  /** Numbers attempts and openings, so that what belongs to an earlier one is recognised. */
  readonly counter: number
}

export type LinkEvent =
  | { readonly type: 'started' }
  | { readonly type: 'stopped' }
  /** An interface changed, or a person asks: do not wait any longer. */
  | { readonly type: 'wake' }
  | { readonly type: 'timer' }
  | { readonly type: 'looked-up'; readonly attempt: number; readonly candidates: readonly Candidate[] }
  | {
      readonly type: 'look-up-failed'
      readonly attempt: number
      readonly code: ErrorCode
      readonly hint: string | undefined
    }
  | { readonly type: 'probe-answered'; readonly attempt: number; readonly candidate: number; readonly rttMs: number }
  /** The storage device speaks to us from there: it punches. `via`: at this socket of a search. */
  | { readonly type: 'heard'; readonly from: Address; readonly via?: number }
  | { readonly type: 'nat-seen'; readonly side: 'camera' | 'storage'; readonly nat: NatKind }
  /** The storage device does not take part in the search for a port. */
  | { readonly type: 'search-refused'; readonly attempt: number }
  /** The storage device took the setup token; `from` is unknown when the server carried its answer. */
  | { readonly type: 'enrolled'; readonly attempt: number; readonly name: string; readonly from: Address | undefined }
  /** The channel of this opening carries bytes both ways. */
  | { readonly type: 'opened'; readonly opening: number }
  | { readonly type: 'refused'; readonly opening: number; readonly code: ErrorCode }
  | { readonly type: 'channel-closed'; readonly opening: number; readonly reason: ChannelCloseReason }

export type LinkAction =
  | { readonly type: 'look-up'; readonly attempt: number; readonly by: 'pair' | 'token' }
  | { readonly type: 'stop-look-up' }
  | {
      readonly type: 'probe'
      readonly attempt: number
      readonly candidate: number
      readonly to: Address
      /** From this socket of a search. */
      readonly via?: number
    }
  /** Asks the storage device through the server to send something to us. */
  | { readonly type: 'punch'; readonly attempt: number }
  /** Searches for a port, with the storage device at `to`. */
  | { readonly type: 'search'; readonly attempt: number; readonly role: SearchRole; readonly to: Address }
  /** Ends the search, and its sockets but for those of openings. */
  | { readonly type: 'stop-search' }
  | { readonly type: 'enrol'; readonly attempt: number; readonly to: Address }
  | { readonly type: 'enrol-by-server'; readonly attempt: number }
  /** To be remembered for good: the token has done its work. */
  | { readonly type: 'enrolled'; readonly name: string | undefined }
  | { readonly type: 'open'; readonly opening: number; readonly way: Way }
  /** Ends whatever was made for an opening, its channel too. */
  | { readonly type: 'drop'; readonly opening: number }
  /** Hands the channel of an opening over. */
  | { readonly type: 'use'; readonly opening: number }
  | { readonly type: 'remember'; readonly address: Address }

/** How a channel is to be made. */
export type Way =
  | { readonly path: 'lan' | 'punched'; readonly to: Address; readonly via?: number }
  | { readonly path: RelayCandidate['path'] }

export interface Moment {
  /** Monotonic. */
  readonly nowMs: number
  /** A fresh random number, 0 ≤ chance < 1. */
  readonly chance: number
}

export interface Step {
  readonly machine: Machine
  readonly actions: readonly LinkAction[]
}

/** The path in use. */
export function currentPath(state: LinkState): ChannelPath | undefined {
  return state.name === 'connected' ? state.used.path : undefined
}
