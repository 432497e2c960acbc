import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { seededRandom } from '../platform/random.ts'
import { initialMachine } from './connect.ts'
import { A } from './connect-fixture.ts'
import { type LinkAction, RETRY_FIRST_MS } from './link-state.ts'
import { MachineLoop } from './machine-loop.ts'

interface Context {
  clock: FakeClock
  /** What was performed, by type; a nested one would stand between another's `(` and `)`. */
  log: string[]
  /** Called while an action is performed. */
  on: (action: LinkAction) => void
  loop: MachineLoop
}

const test = suite<Context>('machine loop')

test.before.each((context) => {
  context.clock = new FakeClock()
  context.log = []
  context.on = () => undefined
  context.loop = new MachineLoop({
    machine: initialMachine({ known: [A], enrolled: true, server: false }),
    clock: context.clock,
    random: seededRandom(1),
    perform: (action) => {
      context.log.push(`${action.type}(`)
      context.on(action)
      context.log.push(')')
    },
  })
})

const stateOf = ({ loop }: Context) => loop.machine.state.name

function dispatchAnswer({ loop }: Context, action: LinkAction): void {
  if (action.type === 'probe') {
    const { attempt, candidate } = action
    loop.dispatch({ type: 'probe-answered', attempt, candidate, rttMs: 1 })
  }
  if (action.type === 'open') loop.dispatch({ type: 'opened', opening: action.opening })
}

test('an event that an action causes is taken after the action, and before the call returns', (context) => {
  context.on = (action) => dispatchAnswer(context, action)
  context.loop.dispatch({ type: 'started' })
  assert.is(stateOf(context), 'connected')
  const text = context.log.join('')
  assert.match(text, /probe\(\)open\(\).*use\(\)/)
  assert.not.match(text, /\([^)]/)
})

test('there is one timer at a time, and it takes the machine on', async (context) => {
  const { clock, loop } = context
  loop.dispatch({ type: 'started' })
  loop.dispatch({ type: 'wake' })
  assert.is(clock.pendingTimers, 1)
  for (let waitedMs = 0; stateOf(context) === 'walking' && waitedMs < 60_000; waitedMs += 10) await clock.advance(10)
  assert.is(stateOf(context), 'lost')
  assert.is(clock.pendingTimers, 1)
  await clock.advance(2 * RETRY_FIRST_MS)
  assert.is(stateOf(context), 'walking')
  assert.is(clock.pendingTimers, 1)
})

test('a machine that was stopped leaves no timer', ({ clock, loop }) => {
  loop.dispatch({ type: 'started' })
  loop.dispatch({ type: 'stopped' })
  assert.is(clock.pendingTimers, 0)
})

test('an action that throws is heard of by the caller, and the loop still works', (context) => {
  context.on = () => {
    throw new Error('no socket')
  }
  assert.throws(() => context.loop.dispatch({ type: 'started' }), 'no socket')
  context.on = () => undefined
  context.loop.dispatch({ type: 'stopped' })
  assert.is(stateOf(context), 'idle')
})

test.run()
