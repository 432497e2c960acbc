import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FACTORY_RESET_AFTER_MS, type HoldEvent, type HoldState, RESET_AFTER_MS, stepHold } from './holds.ts'

const STATES = ['up', 'pressed', 'reset-armed', 'factory-reset-armed', 'done'] as const

/** Every state and event; what is not named changes nothing. */
const TABLE: Record<string, [HoldState['state'], ...string[]]> = {
  'up press': ['pressed', `start-timer ${RESET_AFTER_MS}`],
  'pressed release': ['up', 'stop-timer'],
  'pressed timer': ['reset-armed', `start-timer ${FACTORY_RESET_AFTER_MS - RESET_AFTER_MS}`],
  'reset-armed release': ['done', 'stop-timer', 'reset'],
  'reset-armed timer': ['factory-reset-armed'],
  'factory-reset-armed release': ['done', 'factory-reset'],
}

for (const state of STATES) {
  for (const event of ['press', 'release', 'timer'] satisfies HoldEvent[]) {
    test(`${state}, ${event}`, () => {
      const step = stepHold({ state }, event)
      const actions = step.actions.map((action) => ('afterMs' in action ? `${action.do} ${action.afterMs}` : action.do))
      assert.equal([step.state.state, ...actions], TABLE[`${state} ${event}`] ?? [state])
    })
  }
}

test.run()
