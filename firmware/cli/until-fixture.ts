import { HomewardError } from '../wire/errors.ts'

export interface Until<State> {
  /** What is waited for, in words. */
  readonly what: string
  readonly withinMs: number
  readonly pollMs: number | ((state: State) => number)
  /** What a failure tells of the last state; all of it by default. */
  readonly told?: (state: State) => unknown
}

/** Asks again and again until `holds`, and answers with the state that it holds for. Throws TIMED_OUT with the last one. */
export async function until<State>(
  ask: () => Promise<State>,
  holds: (state: State) => boolean,
  { what, withinMs, pollMs, told = (state) => state }: Until<State>,
): Promise<State> {
  const deadlineMs = performance.now() + withinMs
  for (;;) {
    const state = await ask()
    if (holds(state)) return state
    if (performance.now() > deadlineMs) {
      throw new HomewardError('TIMED_OUT', `not ${what} within ${withinMs} ms: ${JSON.stringify(told(state))}`)
    }
    const waitMs = typeof pollMs === 'number' ? pollMs : pollMs(state)
    await new Promise((resolve) => setTimeout(resolve, waitMs))
  }
}
