/** Small hooks that the views share. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import type { Home, HomeFeed } from './net/events.ts'

export function useHome(feed: HomeFeed): Home {
  const [home, setHome] = useState(feed.home)
  useEffect(() => {
    setHome(feed.home)
    return feed.onChange(() => setHome(feed.home))
  }, [feed])
  return home
}

/** The time of now, anew every `everyMs`. */
export function useNow(feed: HomeFeed, everyMs = 1000): number {
  const [nowMs, setNowMs] = useState(feed.nowMs)
  useEffect(() => {
    const timer = window.setInterval(() => setNowMs(feed.nowMs), everyMs)
    return () => window.clearInterval(timer)
  }, [feed, everyMs])
  return nowMs
}

export interface Loaded<Value> {
  readonly value: Value | undefined
  readonly error: unknown
  readonly again: () => void
}

/** What `load` answers, anew when `key` changes or `again` is called; the old value stays until the new one is there. */
export function useLoaded<Value>(key: string, load: (signal: AbortSignal) => Promise<Value>): Loaded<Value> {
  const [state, setState] = useState<{ key: string; value: Value | undefined; error: unknown }>({
    ...{ key, value: undefined, error: undefined },
  })
  const [round, setRound] = useState(0)
  const newest = useRef(load)
  newest.current = load
  useEffect(() => {
    const control = new AbortController()
    newest.current(control.signal).then(
      (value) => {
        if (!control.signal.aborted) setState({ key, value, error: undefined })
      },
      (error: unknown) => {
        if (!control.signal.aborted) setState((old) => ({ ...old, key, error }))
      },
    )
    return () => control.abort()
  }, [key, round])
  const again = useCallback(() => setRound((count) => count + 1), [])
  return { value: state.key === key ? state.value : undefined, error: state.error, again }
}

export interface Action {
  readonly busy: boolean
  readonly error: unknown
  readonly run: (work: () => Promise<unknown>) => void
}

/** One thing at a time that a person asked for, and what went wrong with it. */
export function useAction(): Action {
  const [state, setState] = useState<{ busy: boolean; error: unknown }>({ busy: false, error: undefined })
  const run = useCallback((work: () => Promise<unknown>) => {
    setState({ busy: true, error: undefined })
    work().then(
      () => setState({ busy: false, error: undefined }),
      (error: unknown) => setState({ busy: false, error }),
    )
  }, [])
  return { ...state, run }
}
