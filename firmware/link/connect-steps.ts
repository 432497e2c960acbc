/** The moves of the connect machine: what each of them does to the state, and what it wants done. Pure. */
import { type Address, sameAddress } from './address.ts'
import {
  type Attempt,
  addCandidates,
  answerProbe,
  type Candidate,
  endLookUp,
  fastest,
  isExhausted,
  newAttempt,
  restart,
  sendDue,
  setTrial,
  TRIALS_MAX,
  type TrialState,
} from './attempt.ts'
import {
  ENROL_RETRY_LONGEST_MS,
  type In,
  type LinkAction,
  type LinkEvent,
  type LinkState,
  type Machine,
  type Moment,
  RETRY_FIRST_MS,
  RETRY_LONGEST_MS,
  type Step,
} from './link-state.ts'

export function begin(machine: Machine, moment: Moment): Step {
  return machine.config.enrolled ? walk(machine, moment) : enrol(machine, moment.nowMs, 0, moment)
}

export function stop(machine: Machine): Step {
  const { state } = machine
  const actions: LinkAction[] = []
  if ('attempt' in state) actions.push({ type: 'stop-look-up' })
  if ('opening' in state) actions.push({ type: 'drop', opening: state.opening })
  return { machine: { ...machine, state: { name: 'idle' }, failures: 0 }, actions }
}

export function walk(machine: Machine, moment: Moment): Step {
  const { attempt, actions, counter } = start(machine, 'pair', moment)
  return withActions(actions, goOnWalking({ ...machine, counter }, attempt, moment))
}

/** Alternates between the token's tag and the pair's: the server forgets the first when the token's time is over. */
export function enrol(machine: Machine, sinceMs: number, round: number, moment: Moment): Step {
  const { attempt, actions, counter } = start(machine, round % 2 === 0 ? 'token' : 'pair', moment)
  const state = { name: 'enrolling', sinceMs, round, attempt, restUntilMs: undefined } as const
  return withActions(actions, goOnEnrolling({ ...machine, counter }, state, attempt, moment))
}

function start(machine: Machine, by: 'pair' | 'token', { nowMs }: Moment) {
  const { server, known } = machine.config
  const number = machine.counter + 1
  const candidates = known.map((address): Candidate => ({ path: 'lan', source: 'known', address }))
  const actions: LinkAction[] = [{ type: 'stop-look-up' }]
  if (server) actions.push({ type: 'look-up', attempt: number, by })
  return { attempt: newAttempt(number, candidates, server, nowMs), actions, counter: number }
}

export function goOnWalking(machine: Machine, before: Attempt, moment: Moment): Step {
  const { attempt, due } = sendDue(before, moment.nowMs)
  if (isExhausted(attempt)) return lose(machine, attempt, 'no path', moment)
  return {
    machine: { ...machine, state: { name: 'walking', attempt } },
    actions: due.flatMap((candidate) => probeOf(attempt, candidate)),
  }
}

export function goOnEnrolling(machine: Machine, state: In<'enrolling'>, before: Attempt, moment: Moment): Step {
  const { attempt, due } = sendDue(before, moment.nowMs)
  const rest = isExhausted(attempt) && state.restUntilMs === undefined
  const pauseMs = backOffMs(state.round + 1, ENROL_RETRY_LONGEST_MS, moment.chance)
  const restUntilMs = rest ? moment.nowMs + pauseMs : state.restUntilMs
  return {
    machine: { ...machine, state: { ...state, attempt, restUntilMs } },
    actions: due.flatMap((candidate): LinkAction[] => {
      const trial = attempt.trials[candidate]
      const enrols: LinkAction[] =
        trial === undefined ? [] : [{ type: 'enrol', attempt: attempt.number, to: trial.address }]
      return [...enrols, ...probeOf(attempt, candidate)]
    }),
  }
}

function probeOf(attempt: Attempt, candidate: number): LinkAction[] {
  const trial = attempt.trials[candidate]
  return trial === undefined ? [] : [{ type: 'probe', attempt: attempt.number, candidate, to: trial.address }]
}

export function open(machine: Machine, attempt: Attempt, chosen: number, moment: Moment): Step {
  const trial = attempt.trials[chosen]
  if (trial?.state.name !== 'answered') return ignore(machine)
  const opening = machine.counter + 1
  return {
    machine: {
      ...machine,
      counter: opening,
      state: {
        name: 'opening',
        attempt: setTrial(attempt, chosen, { name: 'opening', rttMs: trial.state.rttMs }),
        chosen,
        opening,
        sinceMs: moment.nowMs,
        sends: 1,
      },
    },
    actions: [{ type: 'open', opening, path: trial.path, to: trial.address }],
  }
}

/** This one came to nothing: the next that answered, or on with the walk. */
export function tryNext(machine: Machine, state: In<'opening'>, outcome: TrialState, moment: Moment): Step {
  const attempt = setTrial(state.attempt, state.chosen, outcome)
  const next = fastest(attempt)
  const step =
    next === undefined
      ? goOnWalking(machine, restart(attempt, moment.nowMs), moment)
      : open(machine, attempt, next, moment)
  return withActions([{ type: 'drop', opening: state.opening }], step)
}

export function lose(machine: Machine, attempt: Attempt, why: In<'lost'>['why'], moment: Moment): Step {
  const failures = machine.failures + 1
  const retryMs = moment.nowMs + backOffMs(failures, RETRY_LONGEST_MS, moment.chance)
  const state = { name: 'lost', attempt, why, sinceMs: moment.nowMs, retryMs } as const
  return { machine: { ...machine, failures, state }, actions: [{ type: 'stop-look-up' }] }
}

/** Doubling, and anywhere in its upper half, so that the cameras of a house do not all come back at once. */
function backOffMs(failures: number, longestMs: number, chance: number): number {
  const fullMs = Math.min(longestMs, RETRY_FIRST_MS * 2 ** Math.min(failures - 1, 16))
  return Math.round(fullMs * (0.5 + chance / 2))
}

/** Undefined when it is about an earlier attempt, or a look-up that is over. */
export function learn(
  attempt: Attempt,
  event: Extract<LinkEvent, { readonly type: 'looked-up' | 'look-up-failed' }>,
  { nowMs }: Moment,
): Attempt | undefined {
  if (event.attempt !== attempt.number || attempt.lookUp.name !== 'waiting') return undefined
  if (event.type === 'look-up-failed') {
    return endLookUp(attempt, nowMs, { name: 'failed', code: event.code, hint: event.hint })
  }
  const ended = endLookUp(attempt, nowMs, { name: 'answered', addresses: event.candidates.length })
  return addCandidates(ended, event.candidates, nowMs)
}

export function takeAnswer(
  attempt: Attempt,
  event: Extract<LinkEvent, { readonly type: 'probe-answered' }>,
): Attempt | undefined {
  return event.attempt === attempt.number ? answerProbe(attempt, event.candidate, event.rttMs) : undefined
}

export function metAt(machine: Machine, address: Address): Machine {
  const { config } = machine
  const known = [address, ...config.known.filter((other) => !sameAddress(other, address))]
  return { ...machine, config: { ...config, known: known.slice(0, TRIALS_MAX) } }
}

export function enrolledNow(machine: Machine): Machine {
  return { ...machine, config: { ...machine.config, enrolled: true } }
}

export function stay(machine: Machine, state: LinkState): Step {
  return { machine: { ...machine, state }, actions: [] }
}

export function ignore(machine: Machine): Step {
  return { machine, actions: [] }
}

export function withActions(first: readonly LinkAction[], step: Step): Step {
  return { machine: step.machine, actions: [...first, ...step.actions] }
}
