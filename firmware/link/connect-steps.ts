/** The moves of the connect machine: what each of them does to the state, and what it wants done. Pure. */
import { type Address, addressScope, sameAddress } from './address.ts'
import {
  type Attempt,
  addCandidates,
  answerProbe,
  bestAnswered,
  type Candidate,
  endLookUp,
  failed,
  isExhausted,
  newAttempt,
  probeAnew,
  rttOf,
  setTrial,
  type Trial,
  type TrialState,
  takeDue,
  trialOf,
} from './attempt.ts'
import {
  type Active,
  currentPath,
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
  UPGRADE_AFTER_MS,
  type Way,
} from './link-state.ts'
import { CACHED_ADDRESSES_MAX } from './pairing.ts'
import { isBetter, rankOf } from './path-rank.ts'
import { endSearch, goOnSearching, searchAgainSoon } from './search-steps.ts'

export function begin(machine: Machine, moment: Moment): Step {
  return machine.config.enrolled ? walk(machine, moment) : enrol(machine, moment.nowMs, 0, moment)
}

export function stop(machine: Machine): Step {
  const { state } = machine
  const actions: LinkAction[] = 'attempt' in state ? [{ type: 'stop-look-up' }, ...endAll(state)] : []
  return { machine: { ...machine, state: { name: 'idle' }, failures: 0 }, actions }
}

/** Ends the openings under way, and the channel in use. */
export function endAll(state: Exclude<LinkState, { readonly name: 'idle' }>): LinkAction[] {
  const { drops } = leaveOpenings(state.attempt, state.attempt.startedMs)
  return state.name === 'connected' ? [...drops, { type: 'drop', opening: state.opening }] : drops
}

export function walk(machine: Machine, moment: Moment): Step {
  const { attempt, actions, counter } = start(machine, 'pair', moment)
  const walking: In<'walking'> = { name: 'walking', attempt }
  return withActions(actions, advance({ ...machine, counter }, walking, moment))
}

/** A new attempt at the paths better than the one in use, which stays in use meanwhile. */
export function upgrade(machine: Machine, state: In<'connected'>, moment: Moment): Step {
  const { attempt, actions, counter } = start(machine, 'pair', moment)
  const upgrades = state.upgrades + 1
  const next: In<'connected'> = { ...state, attempt, upgrades, upgradeMs: upgradeMs(state.used, upgrades, moment) }
  return withActions(
    [...leaveOpenings(state.attempt, moment.nowMs).drops, ...actions],
    advance({ ...machine, counter }, next, moment),
  )
}

function upgradeMs({ path }: Trial, upgrades: number, { nowMs }: Moment): number | undefined {
  const afterMs = UPGRADE_AFTER_MS[Math.min(upgrades, UPGRADE_AFTER_MS.length - 1)] ?? 0
  return rankOf(path) === 0 ? undefined : nowMs + afterMs
}

/** Alternates between the token's tag and the pair's: the server forgets the first when the token's time is over. */
export function enrol(machine: Machine, sinceMs: number, round: number, moment: Moment): Step {
  const { attempt, actions, counter } = start(machine, round % 2 === 0 ? 'token' : 'pair', moment)
  const state = { name: 'enrolling', sinceMs, round, attempt, restUntilMs: undefined } as const
  return withActions(actions, goOnEnrolling({ ...machine, counter }, state, attempt, moment))
}

function start(machine: Machine, by: 'pair' | 'token', { nowMs }: Moment) {
  const { server, known, enrolled } = machine.config
  const number = machine.counter + 1
  const candidates: Candidate[] = known.map((address) => ({ path: 'lan', source: 'known', address }))
  if (server && enrolled) {
    candidates.unshift({ path: 'relay-udp', source: 'server' }, { path: 'relay-tls', source: 'server' })
  }
  const actions: LinkAction[] = [{ type: 'stop-look-up' }]
  if (server) actions.push({ type: 'look-up', attempt: number, by })
  return { attempt: newAttempt(number, candidates, server, nowMs), actions, counter: number }
}

/** Does what is due, opens what may be opened, and gives up when nothing is left. */
export function advance(machine: Machine, before: Active, moment: Moment): Step {
  const { nowMs } = moment
  const current = currentPath(before)
  const due = takeDue(before.attempt, current, nowMs)
  const actions: LinkAction[] = due.late.map((opening) => ({ type: 'drop', opening }))
  actions.push(...due.probes.flatMap((candidate) => probeOf(due.attempt, candidate)))
  if (due.punch) actions.push({ type: 'punch', attempt: due.attempt.number })
  let attempt = due.attempt
  let { counter } = machine
  const open = (index: number) => {
    const trial = attempt.trials[index]
    if (trial === undefined) return
    counter += 1
    attempt = setTrial(attempt, index, { name: 'opening', opening: counter, sinceMs: nowMs, ...rttOf(trial.state) })
    actions.push({ type: 'open', opening: counter, way: wayOf(trial) })
  }
  const answered = bestAnswered(attempt)
  if (answered !== undefined && mayOpen(attempt, answered, current)) open(answered)
  for (const relay of due.relays) open(relay)
  if (before.name === 'walking' && isExhausted(attempt)) {
    return withActions(actions, lose({ ...machine, counter }, attempt, 'no path', moment))
  }
  const advanced = { ...machine, counter }
  if (before.name === 'walking') return { machine: { ...advanced, state: { ...before, attempt } }, actions }
  const searched = goOnSearching(advanced, { ...before, attempt }, moment)
  return { machine: { ...searched.machine, state: searched.state }, actions: [...actions, ...searched.actions] }
}

/** One direct opening at a time, save that a LAN does not wait for a hole. */
function mayOpen(attempt: Attempt, index: number, current: Trial['path'] | undefined): boolean {
  const path = attempt.trials[index]?.path
  if (path === undefined || !isBetter(path, current)) return false
  return !attempt.trials.some(({ state, path: other }) => state.name === 'opening' && !isBetter(path, other))
}

function wayOf(trial: Trial): Way {
  return 'address' in trial ? { path: trial.path, to: trial.address, ...viaOf(trial) } : { path: trial.path }
}

function viaOf(trial: Trial): { readonly via?: number } {
  return 'via' in trial && trial.via !== undefined ? { via: trial.via } : {}
}

export function goOnEnrolling(machine: Machine, state: In<'enrolling'>, before: Attempt, moment: Moment): Step {
  const { attempt, probes, punch } = takeDue(before, undefined, moment.nowMs)
  const rest = isExhausted(attempt) && state.restUntilMs === undefined
  const pauseMs = backOffMs(state.round + 1, ENROL_RETRY_LONGEST_MS, moment.chance)
  const restUntilMs = rest ? moment.nowMs + pauseMs : state.restUntilMs
  const byServer: LinkAction[] = punch ? [{ type: 'enrol-by-server', attempt: attempt.number }] : []
  const direct = probes.flatMap((candidate): LinkAction[] => {
    const trial = attempt.trials[candidate]
    const enrols: LinkAction[] =
      trial !== undefined && 'address' in trial ? [{ type: 'enrol', attempt: attempt.number, to: trial.address }] : []
    return [...enrols, ...probeOf(attempt, candidate)]
  })
  return { machine: { ...machine, state: { ...state, attempt, restUntilMs } }, actions: [...byServer, ...direct] }
}

function probeOf(attempt: Attempt, candidate: number): LinkAction[] {
  const trial = attempt.trials[candidate]
  if (trial === undefined || !('address' in trial)) return []
  return [{ type: 'probe', attempt: attempt.number, candidate, to: trial.address, ...viaOf(trial) }]
}

/** A channel carries bytes: it is used when it is the best so far, and what cannot be better is left. */
export function takeOpened(machine: Machine, state: Active, opening: number, moment: Moment): Step {
  const index = trialOf(state.attempt, opening)
  const trial = state.attempt.trials[index]
  if (trial?.state.name !== 'opening') return ignore(machine)
  const current = currentPath(state)
  if (!isBetter(trial.path, current)) {
    const attempt = setTrial(state.attempt, index, { name: 'left', ...rttOf(trial.state) })
    return { machine: { ...machine, state: { ...state, attempt } }, actions: [{ type: 'drop', opening }] }
  }
  const tookMs = moment.nowMs - state.attempt.startedMs
  const opened: TrialState = { name: 'opened', opening, tookMs, ...rttOf(trial.state) }
  const { attempt, drops } = leave(setTrial(state.attempt, index, opened), ({ path, state: { name } }) => {
    return !isBetter(path, trial.path) && (name === 'opening' || name === 'held')
  })
  const used: Trial = { ...trial, state: opened }
  const isFound = trial.source === 'searched'
  const isSearched = !isBetter('punched', trial.path)
  const search = endSearch(attempt, isFound ? 'found' : 'left', moment.nowMs)
  const next: In<'connected'> = {
    ...{ name: 'connected', used, opening, sinceMs: moment.nowMs, upgrades: 0 },
    attempt: isSearched ? search.attempt : attempt,
    upgradeMs: upgradeMs(used, 0, moment),
  }
  const isLan = trial.path === 'lan'
  const actions: LinkAction[] = [...drops, { type: 'use', opening }]
  if (state.name === 'connected') actions.push({ type: 'drop', opening: state.opening })
  if (isLan) actions.push({ type: 'stop-look-up' }, { type: 'remember', address: trial.address })
  if (isSearched) actions.push(...search.actions)
  const met = isLan ? metAt(machine, trial.address) : machine
  const found = isFound ? { ...met, search: searchAgainSoon(0, moment.nowMs) } : met
  return withActions(actions, advance(found, next, moment))
}

interface Left {
  readonly attempt: Attempt
  readonly drops: LinkAction[]
}

/** Ends the openings under way, and the search for a port. */
function leaveOpenings(before: Attempt, nowMs: number): Left {
  const { attempt, drops } = leave(before, ({ state }) => state.name === 'opening')
  const search = endSearch(attempt, 'left', nowMs)
  return { attempt: search.attempt, drops: [...drops, ...search.actions] }
}

function leave(attempt: Attempt, isVain: (trial: Trial) => boolean): Left {
  const drops: LinkAction[] = []
  const trials = attempt.trials.map((trial): Trial => {
    if (!isVain(trial)) return trial
    if (trial.state.name === 'opening') drops.push({ type: 'drop', opening: trial.state.opening })
    return { ...trial, state: { name: 'left', ...rttOf(trial.state) } }
  })
  return { attempt: { ...attempt, trials }, drops }
}

/** An opening came to nothing: the others go on. */
export function failOpening(
  machine: Machine,
  state: Active,
  event: Extract<LinkEvent, { readonly type: 'refused' | 'channel-closed' }>,
  moment: Moment,
): Step {
  const index = trialOf(state.attempt, event.opening)
  const trial = state.attempt.trials[index]
  if (trial?.state.name !== 'opening') return ignore(machine)
  const outcome: TrialState =
    event.type === 'refused'
      ? { name: 'refused', code: event.code, ...rttOf(trial.state) }
      : failed(trial.state, event.reason)
  const attempt = setTrial(state.attempt, index, outcome)
  return withActions([{ type: 'drop', opening: event.opening }], advance(machine, { ...state, attempt }, moment))
}

export function lose(machine: Machine, attempt: Attempt, why: In<'lost'>['why'], moment: Moment): Step {
  const failures = machine.failures + 1
  const retryMs = moment.nowMs + backOffMs(failures, RETRY_LONGEST_MS, moment.chance)
  // A late answer goes on with this attempt: nothing in it may wait for an opening that is no more.
  const left = leaveOpenings(attempt, moment.nowMs)
  const state = { name: 'lost', attempt: left.attempt, why, sinceMs: moment.nowMs, retryMs } as const
  return { machine: { ...machine, failures, state }, actions: [{ type: 'stop-look-up' }, ...left.drops] }
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
  const seen = event.candidates.find(({ source }) => source === 'observed')
  const observed = seen !== undefined && 'address' in seen ? seen.address : undefined
  return addCandidates({ ...ended, observed }, event.candidates, nowMs)
}

/**
 * The storage device punched through to us, from an address that nobody had named or that was silent before; undefined
 * when that is nothing new. A private address is in this network, where it may punch before the server has named it.
 */
export function hear(
  attempt: Attempt,
  { from, via }: Extract<LinkEvent, { readonly type: 'heard' }>,
  { nowMs }: Moment,
): Attempt | undefined {
  const at = attempt.trials.findIndex((trial) => {
    return 'address' in trial && trial.via === via && sameAddress(trial.address, from)
  })
  const known = attempt.trials[at]
  if (known !== undefined && known.state.name !== 'silent') return probeAnew(attempt, at, nowMs)
  if (isSearchedFor(attempt, from)) {
    const heard = { path: 'punched', source: 'searched', address: from } as const
    return addCandidates(attempt, [via === undefined ? heard : { ...heard, via }], nowMs)
  }
  // A socket of a search that is over.
  if (via !== undefined) return undefined
  const path = addressScope(from.host) === 'public' ? 'punched' : 'lan'
  return addCandidates(attempt, [{ path, source: 'heard', address: from }], nowMs)
}

function isSearchedFor({ search, observed }: Attempt, { host }: Address): boolean {
  return search.name === 'running' && observed?.host === host
}

export function refuseSearch(machine: Machine, state: In<'connected'>, moment: Moment): Step {
  const { attempt, actions } = endSearch(state.attempt, 'refused', moment.nowMs)
  const search = searchAgainSoon(Math.max(0, machine.search.failures - 1), moment.nowMs)
  return withActions(actions, advance({ ...machine, search }, { ...state, attempt }, moment))
}

/** What a NAT does is worth knowing in every state. */
export function seeNat(
  machine: Machine,
  { side, nat }: Extract<LinkEvent, { readonly type: 'nat-seen' }>,
  moment: Moment,
): Step {
  if (machine.nat[side] === nat) return ignore(machine)
  const next: Machine = { ...machine, nat: { ...machine.nat, [side]: nat } }
  const { state } = next
  return state.name === 'connected' ? advance(next, state, moment) : { machine: next, actions: [] }
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
  return { ...machine, config: { ...config, known: known.slice(0, CACHED_ADDRESSES_MAX) } }
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
