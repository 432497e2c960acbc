/** One attempt to find a path: which addresses are tried, when each is probed, what came of it. Pure. */
import type { ErrorCode } from '../wire/errors.ts'
import { type Address, formatAddress } from './address.ts'
import type { ChannelCloseReason, ChannelPath } from './channel.ts'

/**
 * Probes to each address, counted from its first: dense at the start, for a lost datagram must not cost a second on a LAN,
 * then thinner, for a sleeping Wi-Fi station takes its time to wake up.
 */
export const PROBE_SCHEDULE_MS = [0, 50, 100, 200, 400, 800, 1400] as const
/** An address that stayed silent for this long is not reached this way; an answer that comes later still counts. */
export const PROBE_GIVE_UP_MS = 2_000
/** The look-up ends by itself sooner, unless a dead name server holds it up; the attempt does not wait for that. */
export const LOOK_UP_LIMIT_MS = 8_000
/** More addresses than any home has; a list from outside must not make a burst of datagrams. */
export const TRIALS_MAX = 24

export interface Candidate {
  readonly path: ChannelPath
  /** Met there before or named in the setup code, or just learnt from the P2P server. */
  readonly source: 'known' | 'looked-up'
  readonly address: Address
}

export type TrialState =
  | { readonly name: 'waiting'; readonly probes: number }
  | { readonly name: 'silent' }
  | { readonly name: 'answered'; readonly rttMs: number }
  | { readonly name: 'opening'; readonly rttMs: number }
  | { readonly name: 'opened'; readonly rttMs: number }
  /** Answered probes, but no channel came of it. */
  | { readonly name: 'failed'; readonly rttMs: number; readonly why: ChannelCloseReason | 'no answer' }
  | { readonly name: 'refused'; readonly rttMs: number; readonly code: ErrorCode }

export interface Trial extends Candidate {
  readonly startedMs: number
  readonly state: TrialState
}

export type LookUpState =
  /** There is no P2P server to ask. */
  | { readonly name: 'none' }
  | { readonly name: 'waiting'; readonly sinceMs: number }
  | { readonly name: 'answered'; readonly tookMs: number; readonly addresses: number }
  | { readonly name: 'failed'; readonly tookMs: number; readonly code: ErrorCode; readonly hint: string | undefined }

export interface Attempt {
  readonly number: number
  readonly startedMs: number
  readonly lookUp: LookUpState
  readonly trials: readonly Trial[]
}

export function newAttempt(number: number, candidates: readonly Candidate[], asks: boolean, nowMs: number): Attempt {
  const lookUp: LookUpState = asks ? { name: 'waiting', sinceMs: nowMs } : { name: 'none' }
  return addCandidates({ number, startedMs: nowMs, lookUp, trials: [] }, candidates, nowMs)
}

/** Adds what is new. One that was tried in vain is tried again: whoever names it now has reason to. */
export function addCandidates(attempt: Attempt, candidates: readonly Candidate[], nowMs: number): Attempt {
  const trials = [...attempt.trials]
  for (const candidate of candidates) {
    const at = trials.findIndex((trial) => keyOf(trial) === keyOf(candidate))
    const known = trials[at]
    const fresh: Trial = { ...candidate, startedMs: nowMs, state: { name: 'waiting', probes: 0 } }
    if (known?.state.name === 'silent') trials[at] = fresh
    else if (known === undefined && trials.length < TRIALS_MAX) trials.push(fresh)
  }
  return { ...attempt, trials }
}

/** Counts the probes that are due now as sent, and gives up on whom that was the last. */
export function sendDue(attempt: Attempt, nowMs: number): { readonly attempt: Attempt; readonly due: number[] } {
  const due: number[] = []
  const trials = attempt.trials.map((trial, index): Trial => {
    if (trial.state.name !== 'waiting' || nowMs < dueMs(trial.startedMs, trial.state.probes)) return trial
    if (nowMs >= trial.startedMs + PROBE_GIVE_UP_MS) return { ...trial, state: { name: 'silent' } }
    due.push(index)
    return { ...trial, state: { name: 'waiting', probes: probesBy(nowMs - trial.startedMs) } }
  })
  const { lookUp } = attempt
  const isLate = lookUp.name === 'waiting' && nowMs >= lookUp.sinceMs + LOOK_UP_LIMIT_MS
  const settled: LookUpState = isLate
    ? { name: 'failed', tookMs: LOOK_UP_LIMIT_MS, code: 'TIMED_OUT', hint: undefined }
    : lookUp
  return { attempt: { ...attempt, trials, lookUp: settled }, due }
}

/** When `sendDue` has something to do next. */
export function nextDueMs(attempt: Attempt): number | undefined {
  const times = attempt.trials.flatMap(({ state, startedMs }) =>
    state.name === 'waiting' ? [dueMs(startedMs, state.probes)] : [],
  )
  if (attempt.lookUp.name === 'waiting') times.push(attempt.lookUp.sinceMs + LOOK_UP_LIMIT_MS)
  return times.length === 0 ? undefined : Math.min(...times)
}

/** Nothing is left that could still come of it. */
export function isExhausted(attempt: Attempt): boolean {
  const open = attempt.trials.some(({ state }) => state.name === 'waiting' || state.name === 'answered')
  return !open && attempt.lookUp.name !== 'waiting'
}

/** Of those that answered and were not tried further, the one with the shortest round trip. */
export function fastest(attempt: Attempt): number | undefined {
  let best: { readonly index: number; readonly rttMs: number } | undefined
  for (const [index, { state }] of attempt.trials.entries()) {
    if (state.name === 'answered' && (best === undefined || state.rttMs < best.rttMs))
      best = { index, rttMs: state.rttMs }
  }
  return best?.index
}

export function setTrial(attempt: Attempt, index: number, state: TrialState): Attempt {
  const trial = attempt.trials[index]
  return trial === undefined ? attempt : { ...attempt, trials: attempt.trials.with(index, { ...trial, state }) }
}

/** An answer to a probe. Undefined when nothing new is learnt from it. */
export function answerProbe(attempt: Attempt, index: number, rttMs: number): Attempt | undefined {
  const state = attempt.trials[index]?.state.name
  return state === 'waiting' || state === 'silent' ? setTrial(attempt, index, { name: 'answered', rttMs }) : undefined
}

/** The probing was interrupted: it begins anew where no answer is known. */
export function restart(attempt: Attempt, nowMs: number): Attempt {
  const trials = attempt.trials.map(
    (trial): Trial =>
      trial.state.name === 'waiting' ? { ...trial, startedMs: nowMs, state: { name: 'waiting', probes: 0 } } : trial,
  )
  return { ...attempt, trials }
}

export function endLookUp(attempt: Attempt, nowMs: number, how: EndedLookUp): Attempt {
  if (attempt.lookUp.name !== 'waiting') return attempt
  return { ...attempt, lookUp: { ...how, tookMs: nowMs - attempt.lookUp.sinceMs } }
}

export type EndedLookUp =
  | { readonly name: 'answered'; readonly addresses: number }
  | { readonly name: 'failed'; readonly code: ErrorCode; readonly hint: string | undefined }

function dueMs(startedMs: number, probes: number): number {
  return startedMs + (PROBE_SCHEDULE_MS[probes] ?? PROBE_GIVE_UP_MS)
}

/** Probes that should have been sent by now: after a hold-up the missed ones are not sent in a burst. */
function probesBy(elapsedMs: number): number {
  return PROBE_SCHEDULE_MS.filter((atMs) => atMs <= elapsedMs).length
}

function keyOf(candidate: Candidate): string {
  return `${candidate.path} ${formatAddress(candidate.address)}`
}
