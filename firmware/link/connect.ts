/**
 * The connect machine: how a camera gets a channel to its storage device, gets it back, and gets a better one. A pure
 * reducer: no sockets, no timers, no clock; what it wants done comes out as actions, and `nextWakeMs` says when it wants a
 * `timer` event.
 */
import { nextDueMs } from './attempt.ts'
import {
  advance,
  begin,
  endAll,
  enrol,
  enrolledNow,
  failOpening,
  goOnEnrolling,
  hear,
  ignore,
  learn,
  lose,
  metAt,
  refuseSearch,
  seeNat,
  stop,
  takeAnswer,
  takeOpened,
  upgrade,
  walk,
  withActions,
} from './connect-steps.ts'
import {
  type Active,
  type ConnectConfig,
  currentPath,
  FLAPPING_FAILURES_MAX,
  type In,
  type LinkAction,
  type LinkEvent,
  type Machine,
  type Moment,
  STABLE_MS,
  type Step,
} from './link-state.ts'
import { searchDueMs } from './search-steps.ts'

export function initialMachine(config: ConnectConfig): Machine {
  const nat = { camera: undefined, storage: undefined }
  const search = { failures: 0, notBeforeMs: 0 }
  return { state: { name: 'idle' }, config, failures: 0, nat, search, counter: 0 }
}

/** What does not fit the state is ignored: the same machine comes back, without actions. */
export function reduce(machine: Machine, event: LinkEvent, moment: Moment): Step {
  if (event.type === 'stopped') return stop(machine)
  if (event.type === 'nat-seen') return seeNat(machine, event, moment)
  const { state } = machine
  switch (state.name) {
    case 'idle':
      return event.type === 'started' ? begin(machine, moment) : ignore(machine)
    case 'enrolling':
      return whileEnrolling(machine, state, event, moment)
    case 'walking':
      return whileWalking(machine, state, event, moment)
    case 'connected':
      return whileConnected(machine, state, event, moment)
    case 'lost':
      return whileLost(machine, state, event, moment)
  }
}

/** When the machine wants a `timer` event; never, when undefined. */
export function nextWakeMs(machine: Machine): number | undefined {
  const { state } = machine
  switch (state.name) {
    case 'idle':
      return undefined
    case 'enrolling':
      return state.restUntilMs ?? nextDueMs(state.attempt, undefined)
    case 'walking':
      return nextDueMs(state.attempt, undefined)
    case 'connected': {
      const dueMs = Math.min(
        nextDueMs(state.attempt, currentPath(state)),
        isSearching(state) ? Number.POSITIVE_INFINITY : (state.upgradeMs ?? Number.POSITIVE_INFINITY),
        searchDueMs(machine, state),
      )
      return Number.isFinite(dueMs) ? dueMs : undefined
    }
    case 'lost':
      return state.retryMs
  }
}

function whileEnrolling(machine: Machine, state: In<'enrolling'>, event: LinkEvent, moment: Moment): Step {
  const { attempt } = state
  switch (event.type) {
    case 'timer':
      if (state.restUntilMs === undefined) return goOnEnrolling(machine, state, attempt, moment)
      return moment.nowMs < state.restUntilMs ? ignore(machine) : enrol(machine, state.sinceMs, state.round + 1, moment)
    case 'wake':
      return enrol(machine, state.sinceMs, 0, moment)
    case 'looked-up':
    case 'look-up-failed': {
      const learnt = learn(attempt, event, moment)
      return learnt === undefined ? ignore(machine) : goOnEnrolling(machine, state, learnt, moment)
    }
    case 'probe-answered': {
      // Only an enrolled camera is answered: a power cut must have come between the enrolment and our writing it down.
      const answered = takeAnswer(attempt, event)
      if (answered === undefined) return ignore(machine)
      return withActions([{ type: 'enrolled', name: undefined }], walk(enrolledNow(machine), moment))
    }
    case 'enrolled': {
      if (event.attempt !== attempt.number) return ignore(machine)
      const met = event.from === undefined ? machine : metAt(machine, event.from)
      return withActions([{ type: 'enrolled', name: event.name }], walk(enrolledNow(met), moment))
    }
    default:
      return ignore(machine)
  }
}

/** What paths being tried have in common, whether one is in use already or not. */
function whileTrying(machine: Machine, state: Active, event: LinkEvent, moment: Moment): Step {
  const { attempt } = state
  switch (event.type) {
    case 'timer':
      return advance(machine, state, moment)
    case 'looked-up':
    case 'look-up-failed': {
      const learnt = learn(attempt, event, moment)
      return learnt === undefined ? ignore(machine) : advance(machine, { ...state, attempt: learnt }, moment)
    }
    case 'probe-answered': {
      const answered = takeAnswer(attempt, event)
      return answered === undefined ? ignore(machine) : advance(machine, { ...state, attempt: answered }, moment)
    }
    case 'heard': {
      const heard = hear(attempt, event, moment)
      return heard === undefined ? ignore(machine) : advance(machine, { ...state, attempt: heard }, moment)
    }
    case 'opened':
      return takeOpened(machine, state, event.opening, moment)
    case 'refused':
    case 'channel-closed':
      return failOpening(machine, state, event, moment)
    default:
      return ignore(machine)
  }
}

function whileWalking(machine: Machine, state: In<'walking'>, event: LinkEvent, moment: Moment): Step {
  if (event.type !== 'wake') return whileTrying(machine, state, event, moment)
  return withActions(endAll(state), walk(fresh(machine), moment))
}

/**
 * On a LAN a change of interfaces is ignored, for the channel's own heartbeat knows soonest whether it still works; on
 * anything else it may have brought something better.
 */
function whileConnected(machine: Machine, state: In<'connected'>, event: LinkEvent, moment: Moment): Step {
  const isOver = event.type === 'channel-closed' && event.opening === state.opening
  if (isOver) return walkAgain(machine, state, event.reason, moment)
  if (event.type === 'wake') {
    return state.upgradeMs === undefined ? ignore(machine) : upgrade(fresh(machine), { ...state, upgrades: -1 }, moment)
  }
  if (event.type === 'search-refused') {
    const isOurs = isSearching(state) && event.attempt === state.attempt.number
    return isOurs ? refuseSearch(machine, state, moment) : ignore(machine)
  }
  const isDue = state.upgradeMs !== undefined && moment.nowMs >= state.upgradeMs && !isSearching(state)
  if (event.type === 'timer' && isDue) return upgrade(machine, state, moment)
  return whileTrying(machine, state, event, moment)
}

/** Another network, perhaps: what failed in the one before counts no more. */
function fresh(machine: Machine): Machine {
  return { ...machine, failures: 0, search: { failures: 0, notBeforeMs: 0 } }
}

/** One thing at a time: an upgrade would end the search. */
function isSearching({ attempt }: In<'connected'>): boolean {
  return attempt.search.name === 'running'
}

/** The channel in use is gone. */
function walkAgain(machine: Machine, state: In<'connected'>, reason: In<'lost'>['why'], moment: Moment): Step {
  if (moment.nowMs >= state.sinceMs + STABLE_MS) {
    return withActions(endAll(state), walk({ ...machine, failures: 0 }, moment))
  }
  // The silence was pause enough, and another path may be there.
  if (reason === 'silent') return withActions(endAll(state), walk(machine, moment))
  const failures = Math.min(machine.failures, FLAPPING_FAILURES_MAX)
  const dropped: LinkAction = { type: 'drop', opening: state.opening }
  return withActions([dropped], lose({ ...machine, failures }, state.attempt, reason, moment))
}

function whileLost(machine: Machine, state: In<'lost'>, event: LinkEvent, moment: Moment): Step {
  switch (event.type) {
    case 'timer':
      return moment.nowMs < state.retryMs ? ignore(machine) : walk(machine, moment)
    case 'wake':
      return walk(fresh(machine), moment)
    case 'probe-answered': {
      // It came late, but it came.
      const answered = takeAnswer(state.attempt, event)
      return answered === undefined ? ignore(machine) : advance(machine, { name: 'walking', attempt: answered }, moment)
    }
    case 'heard': {
      // So did the storage device's punch. The pause stands otherwise: it answers what we asked before it.
      const heard = hear(state.attempt, event, moment)
      return heard === undefined ? ignore(machine) : advance(machine, { name: 'walking', attempt: heard }, moment)
    }
    default:
      return ignore(machine)
  }
}
