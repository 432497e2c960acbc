/** What holding the button does, as a state machine without I/O: 5 s resets the network and the pairing, 20 s everything. */

export const RESET_AFTER_MS = 5_000
export const FACTORY_RESET_AFTER_MS = 20_000

export type HoldState =
  | { readonly state: 'up' }
  | { readonly state: 'pressed' }
  /** Letting go resets. */
  | { readonly state: 'reset-armed' }
  | { readonly state: 'factory-reset-armed' }
  /** Was done; a second press changes nothing any more. */
  | { readonly state: 'done' }

export type HoldEvent = 'press' | 'release' | 'timer'

export type HoldAction =
  | { readonly do: 'start-timer'; readonly afterMs: number }
  | { readonly do: 'stop-timer' }
  | { readonly do: 'reset' }
  | { readonly do: 'factory-reset' }

export interface HoldStep {
  readonly state: HoldState
  readonly actions: readonly HoldAction[]
}

export function stepHold(state: HoldState, event: HoldEvent): HoldStep {
  const ignored = { state, actions: [] }
  switch (state.state) {
    case 'up':
      return event === 'press'
        ? { state: { state: 'pressed' }, actions: [{ do: 'start-timer', afterMs: RESET_AFTER_MS }] }
        : ignored
    case 'pressed':
      if (event === 'release') return { state: { state: 'up' }, actions: [{ do: 'stop-timer' }] }
      if (event === 'press') return ignored
      return {
        state: { state: 'reset-armed' },
        actions: [{ do: 'start-timer', afterMs: FACTORY_RESET_AFTER_MS - RESET_AFTER_MS }],
      }
    case 'reset-armed':
      if (event === 'release') return { state: { state: 'done' }, actions: [{ do: 'stop-timer' }, { do: 'reset' }] }
      return event === 'timer' ? { state: { state: 'factory-reset-armed' }, actions: [] } : ignored
    case 'factory-reset-armed':
      return event === 'release' ? { state: { state: 'done' }, actions: [{ do: 'factory-reset' }] } : ignored
    case 'done':
      return ignored
  }
}
