/**
 * The connect machine: how a camera gets a channel to its storage device, and gets it back. A pure reducer: no sockets, no
 * timers, no clock; what it wants done comes out as actions, and `nextWakeMs` says when it wants a `timer` event.
 */
import { nextDueMs, setTrial } from './attempt.ts'
import {
  begin,
  enrol,
  enrolledNow,
  goOnEnrolling,
  goOnWalking,
  ignore,
  learn,
  lose,
  metAt,
  open,
  stay,
  stop,
  takeAnswer,
  tryNext,
  walk,
  withActions,
} from './connect-steps.ts'
import {
  type ConnectConfig,
  FLAPPING_FAILURES_MAX,
  type In,
  type LinkEvent,
  type Machine,
  type Moment,
  OPEN_GIVE_UP_MS,
  OPEN_SCHEDULE_MS,
  STABLE_MS,
  type Step,
} from './link-state.ts'

export function initialMachine(config: ConnectConfig): Machine {
  return { state: { name: 'idle' }, config, failures: 0, counter: 0 }
}

/** What does not fit the state is ignored: the same machine comes back, without actions. */
export function reduce(machine: Machine, event: LinkEvent, moment: Moment): Step {
  if (event.type === 'stopped') return stop(machine)
  const { state } = machine
  switch (state.name) {
    case 'idle':
      return event.type === 'started' ? begin(machine, moment) : ignore(machine)
    case 'enrolling':
      return whileEnrolling(machine, state, event, moment)
    case 'walking':
      return whileWalking(machine, state, event, moment)
    case 'opening':
      return whileOpening(machine, state, event, moment)
    case 'connected':
      return whileConnected(machine, state, event, moment)
    case 'lost':
      return whileLost(machine, state, event, moment)
  }
}

/** When the machine wants a `timer` event; never, when undefined. */
export function nextWakeMs({ state }: Machine): number | undefined {
  switch (state.name) {
    case 'enrolling':
      return state.restUntilMs ?? nextDueMs(state.attempt)
    case 'walking':
      return nextDueMs(state.attempt)
    case 'opening':
      return state.sinceMs + (OPEN_SCHEDULE_MS[state.sends] ?? OPEN_GIVE_UP_MS)
    case 'lost':
      return state.retryMs
    case 'idle':
    case 'connected':
      return undefined
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
      const opened = open(enrolledNow(machine), answered, event.candidate, moment)
      return withActions([{ type: 'enrolled', name: undefined }], opened)
    }
    case 'enrolled': {
      if (event.attempt !== attempt.number) return ignore(machine)
      const walked = walk(enrolledNow(metAt(machine, event.from)), moment)
      return withActions([{ type: 'enrolled', name: event.name }], walked)
    }
    default:
      return ignore(machine)
  }
}

function whileWalking(machine: Machine, state: In<'walking'>, event: LinkEvent, moment: Moment): Step {
  const { attempt } = state
  switch (event.type) {
    case 'timer':
      return goOnWalking(machine, attempt, moment)
    case 'wake':
      return walk({ ...machine, failures: 0 }, moment)
    case 'looked-up':
    case 'look-up-failed': {
      const learnt = learn(attempt, event, moment)
      return learnt === undefined ? ignore(machine) : goOnWalking(machine, learnt, moment)
    }
    case 'probe-answered': {
      const answered = takeAnswer(attempt, event)
      return answered === undefined ? ignore(machine) : open(machine, answered, event.candidate, moment)
    }
    default:
      return ignore(machine)
  }
}

function whileOpening(machine: Machine, state: In<'opening'>, event: LinkEvent, moment: Moment): Step {
  const { attempt, chosen, opening } = state
  const trial = attempt.trials[chosen]
  if (trial?.state.name !== 'opening') return ignore(machine)
  const { rttMs } = trial.state
  switch (event.type) {
    case 'timer': {
      const sends = OPEN_SCHEDULE_MS.filter((atMs) => atMs <= moment.nowMs - state.sinceMs).length
      if (moment.nowMs >= state.sinceMs + OPEN_GIVE_UP_MS) {
        return tryNext(machine, state, { name: 'failed', rttMs, why: 'no answer' }, moment)
      }
      if (sends <= state.sends) return ignore(machine)
      return {
        machine: { ...machine, state: { ...state, sends } },
        actions: [{ type: 'open', opening, path: trial.path, to: trial.address }],
      }
    }
    case 'looked-up':
    case 'look-up-failed': {
      const learnt = learn(attempt, event, moment)
      return learnt === undefined ? ignore(machine) : stay(machine, { ...state, attempt: learnt })
    }
    case 'probe-answered': {
      const answered = takeAnswer(attempt, event)
      return answered === undefined ? ignore(machine) : stay(machine, { ...state, attempt: answered })
    }
    case 'refused':
      if (event.opening !== opening) return ignore(machine)
      return tryNext(machine, state, { name: 'refused', rttMs, code: event.code }, moment)
    case 'channel-closed':
      if (event.opening !== opening) return ignore(machine)
      return tryNext(machine, state, { name: 'failed', rttMs, why: event.reason }, moment)
    case 'opened': {
      if (event.opening !== opening) return ignore(machine)
      return {
        machine: {
          ...metAt(machine, trial.address),
          state: {
            name: 'connected',
            attempt: setTrial(attempt, chosen, { name: 'opened', rttMs }),
            path: trial.path,
            opening,
            sinceMs: moment.nowMs,
          },
        },
        actions: [{ type: 'stop-look-up' }, { type: 'remember', address: trial.address }, { type: 'use', opening }],
      }
    }
    default:
      return ignore(machine)
  }
}

/** A change of interfaces is ignored: the channel's own heartbeat knows soonest whether it still works. */
function whileConnected(machine: Machine, state: In<'connected'>, event: LinkEvent, moment: Moment): Step {
  if (event.type !== 'channel-closed' || event.opening !== state.opening) return ignore(machine)
  if (moment.nowMs >= state.sinceMs + STABLE_MS) return walk({ ...machine, failures: 0 }, moment)
  return lose(
    { ...machine, failures: Math.min(machine.failures, FLAPPING_FAILURES_MAX) },
    state.attempt,
    event.reason,
    moment,
  )
}

function whileLost(machine: Machine, state: In<'lost'>, event: LinkEvent, moment: Moment): Step {
  switch (event.type) {
    case 'timer':
      return moment.nowMs < state.retryMs ? ignore(machine) : walk(machine, moment)
    case 'wake':
      return walk({ ...machine, failures: 0 }, moment)
    case 'probe-answered': {
      const answered = takeAnswer(state.attempt, event)
      return answered === undefined ? ignore(machine) : open(machine, answered, event.candidate, moment)
    }
    default:
      return ignore(machine)
  }
}
