/** One attempt to find a path: what is tried, when each is probed or begun, what came of it. Pure. */
import type { ErrorCode } from '../wire/errors.ts'
import { type Address, formatAddress } from './address.ts'
import type { ChannelCloseReason, ChannelPath } from './channel.ts'
import { isBetter, rankOf } from './path-rank.ts'
import { SEARCH_LIMIT_MS, type SearchRole } from './port-search.ts'

/**
 * Probes to each address, counted from its first: dense at the start, for a lost datagram must not cost a second on a LAN
 * and both sides of a NAT have to meet, then thinner, for a sleeping Wi-Fi station takes its time to wake up.
 */
export const PROBE_SCHEDULE_MS = [0, 50, 100, 150, 250, 400, 600, 1000, 1500, 2200, 3000, 4000] as const
/** As long as a relay may take. An address silent for so long is not reached this way; a later answer still counts. */
export const PROBE_GIVE_UP_MS = 5_000
/** The look-up ends by itself sooner, unless a dead name server holds it up; the attempt does not wait for that. */
export const LOOK_UP_LIMIT_MS = 8_000
/** More addresses than any home has; a list from outside must not make a burst of datagrams. */
export const TRIALS_MAX = 24
/**
 * Asks the storage device, through the server, to send us something: at once, for that takes a round trip by the server
 * anyway, and again in case one was lost.
 */
export const PUNCH_SCHEDULE_MS = [0, 250, 800] as const
/**
 * Head starts of the paths over those behind them, rather than their time-outs: a LAN answers within 10 ms, a hole in the
 * NATs is there a round trip after the server has spoken to both; a relay that was begun in vain costs nobody much.
 */
export const RELAY_UDP_AFTER_MS = 150
/** Late enough for a relay over UDP to be there on any line with UDP. */
export const RELAY_TLS_AFTER_MS = 500
/**
 * It answered probes a moment ago: no channel by now means that this address carries nothing bigger. A device that has just
 * started, on a small processor with others at work, takes a second for its first handshake; meanwhile relays are tried.
 */
export const OPEN_DIRECT_LIMIT_MS = 3_000
/** Where probes took long, on a slow line or at a busy device, an opening of several round trips takes as much longer. */
export const OPEN_DIRECT_ROUND_TRIPS = 8
/** The storage device has to be called through the server first, and may have to connect by TLS. */
export const OPEN_RELAY_LIMIT_MS = 5_000

export interface DirectCandidate {
  readonly path: 'lan' | 'punched'
  /**
   * Met there before or named in the setup code; announced by the storage device; where the server sees it; where something
   * of it came from just now; the same, after a search for a port.
   */
  readonly source: 'known' | 'looked-up' | 'observed' | 'heard' | 'searched'
  readonly address: Address
  /** The socket of a search that it is reached from; missing for the device's own port. */
  readonly via?: number
}

export interface RelayCandidate {
  readonly path: 'relay-udp' | 'relay-tls'
  readonly source: 'server'
}

export type Candidate = DirectCandidate | RelayCandidate

export type TrialState =
  /** Probed, `probes` times so far. `heard`: since something came from there. */
  | { readonly name: 'waiting'; readonly probes: number; readonly heard?: true }
  /** Begins once its head start is over. */
  | { readonly name: 'held' }
  | { readonly name: 'silent' }
  | { readonly name: 'answered'; readonly rttMs: number }
  | { readonly name: 'opening'; readonly opening: number; readonly sinceMs: number; readonly rttMs?: number }
  | { readonly name: 'opened'; readonly opening: number; readonly tookMs: number; readonly rttMs?: number }
  /** No channel came of it. */
  | { readonly name: 'failed'; readonly why: ChannelCloseReason | 'no answer'; readonly rttMs?: number }
  | { readonly name: 'refused'; readonly code: ErrorCode; readonly rttMs?: number }
  /** Not needed any more: a better path was there first. */
  | { readonly name: 'left'; readonly rttMs?: number }

export type Trial = Candidate & { readonly startedMs: number; readonly state: TrialState }

export type LookUpState =
  /** There is no P2P server to ask. */
  | { readonly name: 'none' }
  | { readonly name: 'waiting'; readonly sinceMs: number }
  | { readonly name: 'answered'; readonly tookMs: number; readonly addresses: number }
  | { readonly name: 'failed'; readonly tookMs: number; readonly code: ErrorCode; readonly hint: string | undefined }

/** A search for a port. `left`: not needed any more. `refused`: the storage device searches for another camera, or will not. */
export type SearchState =
  | { readonly name: 'none' }
  | { readonly name: 'running'; readonly role: SearchRole; readonly sinceMs: number }
  | { readonly name: 'found' | 'failed' | 'refused' | 'left'; readonly tookMs: number }

export interface Attempt {
  readonly number: number
  readonly startedMs: number
  readonly lookUp: LookUpState
  /** Requests to punch that were sent; undefined when there is nobody to carry them. */
  readonly punches: number | undefined
  /** Where the server sees the storage device, once it has said so. */
  readonly observed: Address | undefined
  readonly search: SearchState
  readonly trials: readonly Trial[]
}

/** What an attempt tries depends on whether there is a server to help. */
export function newAttempt(number: number, candidates: readonly Candidate[], server: boolean, nowMs: number): Attempt {
  const lookUp: LookUpState = server ? { name: 'waiting', sinceMs: nowMs } : { name: 'none' }
  const punches = server ? 0 : undefined
  const search: SearchState = { name: 'none' }
  return addCandidates(
    { number, startedMs: nowMs, lookUp, punches, observed: undefined, search, trials: [] },
    candidates,
    nowMs,
  )
}

/**
 * Adds what is new. One that was tried in vain is tried again: whoever names it now has reason to. An address that is
 * named twice counts as the better of the two.
 */
export function addCandidates(attempt: Attempt, candidates: readonly Candidate[], nowMs: number): Attempt {
  const trials = [...attempt.trials]
  for (const candidate of candidates) {
    const at = trials.findIndex((trial) => keyOf(trial) === keyOf(candidate))
    const known = trials[at]
    const best = known !== undefined && !isBetter(candidate.path, known.path) ? known : candidate
    const state = firstState(candidate)
    const fresh: Trial = { ...best, startedMs: nowMs, state }
    if (known === undefined) {
      if (trials.length < TRIALS_MAX) trials.push(fresh)
    } else if (known.state.name === 'silent') {
      trials[at] = fresh
    } else if (known.state.name === 'waiting' || known.state.name === 'answered') {
      trials[at] = { ...best, startedMs: known.startedMs, state: known.state }
    }
  }
  return { ...attempt, trials }
}

function firstState(candidate: Candidate): TrialState {
  if (!('address' in candidate)) return { name: 'held' }
  const isHeard = candidate.source === 'heard' || candidate.source === 'searched'
  return { name: 'waiting', probes: 0, ...(isHeard ? { heard: true } : {}) }
}

export interface Due {
  readonly attempt: Attempt
  /** Trials to be probed now. */
  readonly probes: readonly number[]
  /** Relays whose head start is over. */
  readonly relays: readonly number[]
  /** Openings that took too long. */
  readonly late: readonly number[]
  readonly punch: boolean
}

/** What is due now for paths better than `current`; it counts as done. */
export function takeDue(attempt: Attempt, current: ChannelPath | undefined, nowMs: number): Due {
  const [probes, relays, late]: [number[], number[], number[]] = [[], [], []]
  const trials = attempt.trials.map((trial, index): Trial => {
    const { state } = trial
    if (state.name === 'opening' && nowMs >= dueMs(trial)) {
      late.push(state.opening)
      return { ...trial, state: failed(state, 'no answer') }
    }
    if (nowMs < dueMs(trial) || (state.name !== 'held' && state.name !== 'waiting')) return trial
    if (!isBetter(trial.path, current)) return { ...trial, state: { name: 'left' } }
    if (state.name === 'held') {
      relays.push(index)
      return trial
    }
    if (nowMs >= trial.startedMs + PROBE_GIVE_UP_MS) return { ...trial, state: { name: 'silent' } }
    probes.push(index)
    return { ...trial, state: { ...state, probes: countDue(PROBE_SCHEDULE_MS, trial.startedMs, nowMs) } }
  })
  const { lookUp, punches } = attempt
  const isLate = lookUp.name === 'waiting' && nowMs >= lookUp.sinceMs + LOOK_UP_LIMIT_MS
  const settled: LookUpState = isLate
    ? { name: 'failed', tookMs: LOOK_UP_LIMIT_MS, code: 'TIMED_OUT', hint: undefined }
    : lookUp
  const punch = nowMs >= punchDueMs(attempt, current)
  const punched = punch ? countDue(PUNCH_SCHEDULE_MS, attempt.startedMs, nowMs) : punches
  return { attempt: { ...attempt, trials, lookUp: settled, punches: punched }, probes, relays, late, punch }
}

/** When `takeDue` has something to do next. */
export function nextDueMs(attempt: Attempt, current: ChannelPath | undefined): number {
  const times = attempt.trials.map(dueMs)
  times.push(punchDueMs(attempt, current))
  if (attempt.lookUp.name === 'waiting') times.push(attempt.lookUp.sinceMs + LOOK_UP_LIMIT_MS)
  if (attempt.search.name === 'running') times.push(attempt.search.sinceMs + SEARCH_LIMIT_MS)
  return Math.min(...times)
}

/** Nothing is left that could still come of it. */
export function isExhausted(attempt: Attempt): boolean {
  const open = attempt.trials.some(({ state }) => OPEN_STATES.has(state.name))
  return !open && attempt.lookUp.name !== 'waiting'
}

const OPEN_STATES: ReadonlySet<TrialState['name']> = new Set(['waiting', 'held', 'answered', 'opening'])

/** Of those that answered and were not tried further: the best path's, the one with the shortest round trip. */
export function bestAnswered(attempt: Attempt): number | undefined {
  let best: { readonly index: number; readonly rank: number; readonly rttMs: number } | undefined
  for (const [index, { state, path }] of attempt.trials.entries()) {
    if (state.name !== 'answered') continue
    const rank = rankOf(path)
    const isBest = best === undefined || rank < best.rank || (rank === best.rank && state.rttMs < best.rttMs)
    if (isBest) best = { index, rank, rttMs: state.rttMs }
  }
  return best?.index
}

export function setTrial(attempt: Attempt, index: number, state: TrialState): Attempt {
  const trial = attempt.trials[index]
  return trial === undefined ? attempt : { ...attempt, trials: attempt.trials.with(index, { ...trial, state }) }
}

/** The trial that an opening belongs to; -1 when it is of another attempt. */
export function trialOf(attempt: Attempt, opening: number): number {
  return attempt.trials.findIndex(({ state }) => 'opening' in state && state.opening === opening)
}

/**
 * Something came from an address that is probed already: its side of the way is open now, so its probes begin anew, at once.
 * Undefined when they have done so before.
 */
export function probeAnew(attempt: Attempt, index: number, nowMs: number): Attempt | undefined {
  const trial = attempt.trials[index]
  if (trial?.state.name !== 'waiting' || trial.state.heard === true) return undefined
  const anew: Trial = { ...trial, startedMs: nowMs, state: { name: 'waiting', probes: 0, heard: true } }
  return { ...attempt, trials: attempt.trials.with(index, anew) }
}

/** An answer to a probe. Undefined when nothing new is learnt from it. */
export function answerProbe(attempt: Attempt, index: number, rttMs: number): Attempt | undefined {
  const state = attempt.trials[index]?.state.name
  return state === 'waiting' || state === 'silent' ? setTrial(attempt, index, { name: 'answered', rttMs }) : undefined
}

export function failed(state: TrialState, why: ChannelCloseReason | 'no answer'): TrialState {
  return { name: 'failed', why, ...rttOf(state) }
}

/** The round trip of its probe, when it was probed. */
export function rttOf(state: TrialState): { readonly rttMs?: number } {
  return 'rttMs' in state && state.rttMs !== undefined ? { rttMs: state.rttMs } : {}
}

export function endLookUp(attempt: Attempt, nowMs: number, how: EndedLookUp): Attempt {
  if (attempt.lookUp.name !== 'waiting') return attempt
  return { ...attempt, lookUp: { ...how, tookMs: nowMs - attempt.lookUp.sinceMs } }
}

export type EndedLookUp =
  | { readonly name: 'answered'; readonly addresses: number }
  | { readonly name: 'failed'; readonly code: ErrorCode; readonly hint: string | undefined }

function dueMs({ state, startedMs, path }: Trial): number {
  switch (state.name) {
    case 'waiting':
      return startedMs + (PROBE_SCHEDULE_MS[state.probes] ?? PROBE_GIVE_UP_MS)
    case 'held':
      return startedMs + (path === 'relay-udp' ? RELAY_UDP_AFTER_MS : RELAY_TLS_AFTER_MS)
    case 'opening':
      return state.sinceMs + openLimitMs(path, state.rttMs)
    default:
      return Number.POSITIVE_INFINITY
  }
}

function openLimitMs(path: ChannelPath, rttMs = 0): number {
  if (path !== 'lan' && path !== 'punched') return OPEN_RELAY_LIMIT_MS
  return Math.min(OPEN_RELAY_LIMIT_MS, Math.max(OPEN_DIRECT_LIMIT_MS, rttMs * OPEN_DIRECT_ROUND_TRIPS))
}

function punchDueMs({ punches, startedMs }: Attempt, current: ChannelPath | undefined): number {
  const atMs = punches === undefined ? undefined : PUNCH_SCHEDULE_MS[punches]
  return atMs === undefined || !isBetter('punched', current) ? Number.POSITIVE_INFINITY : startedMs + atMs
}

/**
 * Sends that should have been made by now: after a hold-up the missed ones are not made in a burst. The sum is the one
 * that made the time they are due at: a difference may round to just below it, and nothing would ever be done.
 */
function countDue(scheduleMs: readonly number[], startedMs: number, nowMs: number): number {
  return scheduleMs.filter((atMs) => startedMs + atMs <= nowMs).length
}

/** An address is tried once from each socket, whatever it is thought to be. */
function keyOf(candidate: Candidate): string {
  return 'address' in candidate ? `${formatAddress(candidate.address)} ${candidate.via ?? ''}` : candidate.path
}
