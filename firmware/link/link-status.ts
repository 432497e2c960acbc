/** What a person or `status --json` is told about the link: its state, what was tried, why, and what to do. Pure. */
import type { ErrorCode } from '../wire/errors.ts'
import { formatAddress } from './address.ts'
import type { Attempt, Candidate, SearchState, Trial, TrialState } from './attempt.ts'
import type { ChannelPath } from './channel.ts'
import { enrolmentUnanswered } from './enrolment.ts'
import type { LinkState, Machine } from './link-state.ts'
import type { NatKind } from './nat.ts'
import { isBetter } from './path-rank.ts'

/** Longer than a first contact takes on a network that works. */
export const ENROL_DOUBT_MS = 15_000

export interface Problem {
  readonly code: ErrorCode
  readonly message: string
  readonly hint: string
}

export interface TriedCandidate {
  /** Missing for a relay, which is the P2P server's. */
  readonly address?: string
  readonly path: ChannelPath
  /**
   * `known`: met there before, or named in the setup code. `looked-up`: announced by the storage device. `observed`: where the
   * P2P server sees it. `heard`: it spoke to us from there. `server`: a relay.
   */
  readonly source: Candidate['source']
  readonly result: TrialState['name']
  /** From the start of the attempt until the channel carried bytes. */
  readonly tookMs?: number
  /** Round trip of its probe. */
  readonly rttMs?: number
  /** More about `failed` and `refused`. */
  readonly detail?: string
}

export interface LastAttempt {
  /** How long ago it began. */
  readonly agoMs: number
  readonly candidates: readonly TriedCandidate[]
  /** What the P2P server said: `none` when there is no server to ask. */
  readonly lookUp: {
    readonly result: 'none' | 'waiting' | 'answered' | 'failed'
    readonly tookMs?: number
    readonly addresses?: number
    readonly code?: ErrorCode
  }
  /** What the two devices' NATs do, as far as is known. */
  readonly nat: { readonly camera: NatKind; readonly storage: NatKind }
  /** What came of the search for a port; `none` when there was none. */
  readonly search: { readonly result: SearchState['name']; readonly tookMs?: number }
  /** Why this path, or why none. */
  readonly why: string
}

export interface LinkStatus {
  readonly state: LinkState['name']
  /** While connected. */
  readonly path?: ChannelPath
  /** How long it has been connected, enrolling or lost. */
  readonly forMs?: number
  /** While lost. */
  readonly retryInMs?: number
  /** What this device's own NAT does; missing until the P2P server's two ports have been compared. */
  readonly nat?: NatKind
  readonly lastAttempt?: LastAttempt
  readonly problem?: Problem
}

export function statusOf(machine: Machine, nowMs: number): LinkStatus {
  const { state } = machine
  if (state.name === 'idle') return { state: state.name }
  const problem = problemOf(state, nowMs)
  return {
    state: state.name,
    ...(state.name === 'connected' ? { path: state.used.path } : {}),
    ...('sinceMs' in state ? { forMs: Math.round(nowMs - state.sinceMs) } : {}),
    ...(state.name === 'lost' ? { retryInMs: Math.max(0, Math.round(state.retryMs - nowMs)) } : {}),
    lastAttempt: reportOf(machine, state, nowMs),
    ...(problem === undefined ? {} : { problem }),
  }
}

type Started = Exclude<LinkState, { readonly name: 'idle' }>

function reportOf({ nat }: Machine, state: Started, nowMs: number): LastAttempt {
  const { attempt } = state
  const { lookUp, search } = attempt
  return {
    agoMs: Math.round(nowMs - attempt.startedMs),
    candidates: attempt.trials.map(triedOf),
    lookUp: {
      result: lookUp.name,
      ...('tookMs' in lookUp ? { tookMs: Math.round(lookUp.tookMs) } : {}),
      ...('addresses' in lookUp ? { addresses: lookUp.addresses } : {}),
      ...('code' in lookUp ? { code: lookUp.code } : {}),
    },
    nat: { camera: nat.camera ?? 'unknown', storage: nat.storage ?? 'unknown' },
    search: { result: search.name, ...('tookMs' in search ? { tookMs: Math.round(search.tookMs) } : {}) },
    why: whyOf(state),
  }
}

function triedOf(trial: Trial): TriedCandidate {
  const { path, source, state } = trial
  const detail = state.name === 'failed' ? state.why : state.name === 'refused' ? state.code : undefined
  return {
    ...('address' in trial ? { address: formatAddress(trial.address) } : {}),
    path,
    source,
    result: state.name,
    ...('rttMs' in state && state.rttMs !== undefined ? { rttMs: Math.round(state.rttMs * 100) / 100 } : {}),
    ...(state.name === 'opened' ? { tookMs: Math.round(state.tookMs) } : {}),
    ...(detail === undefined ? {} : { detail }),
  }
}

function whyOf(state: Started): string {
  const { attempt } = state
  if (state.name === 'connected') return whyUsed(state)
  if (state.name === 'lost') return problemOfLost(state).message
  const opening = attempt.trials.find(({ state: { name } }) => name === 'opening')
  if (opening !== undefined) return `opening a channel: ${nameOf(opening)} (${opening.path})`
  return hasAddress(attempt) ? `waiting for an answer from ${trialCount(attempt)}` : 'no address is known yet'
}

function hasAddress({ trials }: Attempt): boolean {
  return trials.some((trial) => 'address' in trial)
}

const SOURCES = {
  known: 'known from before',
  'looked-up': 'announced by the storage device',
  observed: 'where the P2P server sees the storage device',
  heard: 'where the storage device spoke to us from',
  searched: 'a port of a symmetric NAT, found by a search',
  server: 'at the P2P server',
} as const satisfies Record<Candidate['source'], string>

function whyUsed({ used, attempt }: Extract<LinkState, { readonly name: 'connected' }>): string {
  const { state, path, source } = used
  const took = state.name === 'opened' ? `, open after ${Math.round(state.tookMs)} ms` : ''
  const rtt = 'rttMs' in state && state.rttMs !== undefined ? `, round trip ${state.rttMs.toFixed(1)} ms` : ''
  const better = attempt.trials.filter((trial) => isBetter(trial.path, path))
  const reason = better.length === 0 ? '' : `; nothing better: ${better.map(outcomeOf).join(', ')}`
  return `${nameOf(used)} (${path}, ${SOURCES[source]})${rtt}${took}${reason}`
}

function outcomeOf(trial: Trial): string {
  const { state } = trial
  const detail = state.name === 'failed' ? `failed, ${state.why}` : state.name
  return `${nameOf(trial)} (${trial.path}) ${detail}`
}

function nameOf(trial: Trial): string {
  return 'address' in trial
    ? formatAddress(trial.address)
    : trial.path === 'relay-udp'
      ? 'relay over UDP'
      : 'relay over TLS'
}

function problemOf(state: Started, nowMs: number): Problem | undefined {
  if (state.name === 'lost') return problemOfLost(state)
  if (state.name !== 'enrolling' || nowMs < state.sinceMs + ENROL_DOUBT_MS) return undefined
  const { code, message, hint = '' } = enrolmentUnanswered()
  return { code, message, hint: hasAddress(state.attempt) ? hint : `${NO_ADDRESS_HINT} ${hint}` }
}

const NO_ADDRESS_HINT =
  'No address of the storage device is known: the P2P server has not named one, and the setup code holds none.'

function problemOfLost(state: Extract<LinkState, { readonly name: 'lost' }>): Problem {
  const { attempt, why } = state
  if (why !== 'no path') {
    return {
      code: 'CHANNEL_LOST',
      message: `the channel to the storage device ended soon after it was opened (${why})`,
      hint: 'If this repeats, the network drops larger packets or the storage device restarts again and again: look at its log.',
    }
  }
  const refused = attempt.trials.find(({ state: { name } }) => name === 'refused')
  if (refused?.state.name === 'refused') {
    return {
      code: refused.state.code,
      message: `the storage device at ${nameOf(refused)} refused a channel (${refused.state.code})`,
      hint: 'Look at the log of the storage device; both devices may need the same version.',
    }
  }
  const failed = attempt.trials.find(({ state: { name }, path }) => name === 'failed' && isBetter(path, 'relay-udp'))
  if (failed !== undefined) {
    return {
      code: 'STORAGE_UNREACHABLE',
      message: `the storage device answered at ${nameOf(failed)}, but no channel came of it`,
      hint: 'Something on the way passes small datagrams only, or drops UDP after the first ones: a firewall or a VPN.',
    }
  }
  const unreachable = { code: 'STORAGE_UNREACHABLE' as const, message: unreachableMessage(attempt) }
  if (attempt.lookUp.name === 'failed') {
    return { ...unreachable, hint: attempt.lookUp.hint ?? 'Check this network’s way to the internet.' }
  }
  if (!hasAddress(attempt)) return { ...unreachable, hint: NO_ADDRESS_HINT }
  return {
    ...unreachable,
    hint: 'Check that the storage device is on and in a network that this camera reaches, and that no firewall blocks its UDP port.',
  }
}

function unreachableMessage(attempt: Attempt): string {
  const tried = hasAddress(attempt) ? `no answer from ${trialCount(attempt)}` : 'no address to try'
  switch (attempt.lookUp.name) {
    case 'failed':
      return `${tried}, and the P2P server did not say where it is (${attempt.lookUp.code})`
    case 'answered':
      return `${tried}, though the P2P server knows the storage device`
    case 'none':
    case 'waiting':
      return tried
  }
}

function trialCount(attempt: Attempt): string {
  const direct = attempt.trials.filter((trial) => 'address' in trial)
  const [first] = direct
  return direct.length === 1 && first !== undefined ? nameOf(first) : `${direct.length} addresses`
}
