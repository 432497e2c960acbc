/** When the connect machine searches for a port, and what comes of it. Pure. */
import { type Attempt, type SearchState, setTrial, type TrialState } from './attempt.ts'
import {
  type In,
  type LinkAction,
  type Machine,
  type Moment,
  SEARCH_AFTER_MS,
  SEARCH_AGAIN_MS,
  SEARCH_SOON_MS,
  UPGRADE_AFTER_MS,
} from './link-state.ts'
import { isBetter } from './path-rank.ts'
import { SEARCH_LIMIT_MS, searchRole } from './port-search.ts'

type Connected = In<'connected'>

/**
 * When a search is to begin; never, when infinite. Bytes go first: only a camera with a channel searches, and not while a
 * better path may be opened without.
 */
export function searchDueMs({ nat, search }: Machine, { attempt, used, sinceMs }: Connected): number {
  const never = Number.POSITIVE_INFINITY
  if (!isBetter('punched', used.path) || attempt.search.name !== 'none' || attempt.observed === undefined) return never
  if (searchRole(nat.camera, nat.storage) === undefined) return never
  const mayDoWithout = attempt.trials.some(({ path, state }) => {
    return isBetter(path, used.path) && (state.name === 'answered' || state.name === 'opening')
  })
  if (mayDoWithout) return never
  const dueMs = Math.max(sinceMs, attempt.startedMs) + SEARCH_AFTER_MS
  return dueMs < search.notBeforeMs ? never : dueMs
}

interface Searched {
  readonly machine: Machine
  readonly state: Connected
  readonly actions: readonly LinkAction[]
}

/** Begins the search that is due, and ends the one that took too long. */
export function goOnSearching(machine: Machine, state: Connected, moment: Moment): Searched {
  const { attempt } = state
  const { search } = attempt
  if (search.name === 'running' && moment.nowMs >= search.sinceMs + SEARCH_LIMIT_MS) {
    const ended = endSearch(attempt, 'failed', moment.nowMs)
    return { machine, state: { ...state, attempt: ended.attempt }, actions: ended.actions }
  }
  if (moment.nowMs < searchDueMs(machine, state)) return { machine, state, actions: [] }
  return beginSearch(machine, state, moment)
}

/** It counts as one more try for a better path, and as one that failed until it is known better. */
function beginSearch(machine: Machine, state: Connected, { nowMs }: Moment): Searched {
  const { attempt } = state
  const role = searchRole(machine.nat.camera, machine.nat.storage)
  if (role === undefined || attempt.observed === undefined) return { machine, state, actions: [] }
  const { failures } = machine.search
  const againMs = SEARCH_AGAIN_MS[Math.min(failures, SEARCH_AGAIN_MS.length - 1)] ?? 0
  const upgrades = state.upgrades + 1
  const upgradeAfterMs = UPGRADE_AFTER_MS[Math.min(upgrades, UPGRADE_AFTER_MS.length - 1)] ?? 0
  const search: SearchState = { name: 'running', role, sinceMs: nowMs }
  return {
    machine: { ...machine, search: { failures: failures + 1, notBeforeMs: nowMs + againMs } },
    state: {
      ...{ ...state, attempt: { ...attempt, search }, upgrades },
      upgradeMs: Math.max(state.upgradeMs ?? 0, nowMs + upgradeAfterMs),
    },
    actions: [{ type: 'search', attempt: attempt.number, role, to: attempt.observed }],
  }
}

/** Addresses that are reached from the search's sockets go with it, save those that are being opened. */
export function endSearch(
  attempt: Attempt,
  how: 'found' | 'failed' | 'refused' | 'left',
  nowMs: number,
): { readonly attempt: Attempt; readonly actions: readonly LinkAction[] } {
  const { search } = attempt
  if (search.name !== 'running') return { attempt, actions: [] }
  let ended: Attempt = { ...attempt, search: { name: how, tookMs: nowMs - search.sinceMs } }
  for (const [index, trial] of attempt.trials.entries()) {
    if ('via' in trial && UNOPENED.has(trial.state.name)) ended = setTrial(ended, index, { name: 'left' })
  }
  return { attempt: ended, actions: [{ type: 'stop-search' }] }
}

const UNOPENED: ReadonlySet<TrialState['name']> = new Set(['waiting', 'silent', 'answered'])

/** Nothing was wrong with it: the next one may begin soon. */
export function searchAgainSoon(failures: number, nowMs: number): Machine['search'] {
  return { failures, notBeforeMs: nowMs + SEARCH_SOON_MS }
}
