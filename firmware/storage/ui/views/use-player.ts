/** The player of a view, and the pictures that are shown while the timeline is dragged. */
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { Player, type PlayerState } from '../player/player.ts'
import { Scrubber } from '../player/still.ts'

const IDLE: PlayerState = {
  ...{ positionMs: 0, playing: false, live: false, waiting: false, rate: 1, hasSound: false },
  ...{ error: undefined, jumped: undefined, ended: false },
}

export interface Scrub {
  readonly canvas: { current: HTMLCanvasElement | null }
  readonly active: boolean
  readonly move: (ms: number, isLast: boolean) => void
}

export function usePlayer(camera: string, nextStored: (ms: number) => number | undefined) {
  const video = useRef<HTMLVideoElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const player = useRef<Player | undefined>(undefined)
  const scrubber = useRef<Scrubber | undefined>(undefined)
  const [state, setState] = useState(IDLE)
  const [scrubMs, setScrubMs] = useState<number>()
  const next = useRef(nextStored)
  next.current = nextStored
  useEffect(() => {
    if (video.current === null || canvas.current === null) return
    const made = new Player({
      video: video.current,
      camera,
      nextStored: (ms) => next.current(ms),
      onState: setState,
    })
    player.current = made
    scrubber.current = new Scrubber(camera, canvas.current)
    return () => {
      made.close()
      scrubber.current?.close()
    }
  }, [camera])
  // The still stays until the player has the picture.
  const [settling, setSettling] = useState(false)
  useEffect(() => {
    if (settling && !state.waiting) {
      setSettling(false)
      setScrubMs(undefined)
    }
  }, [settling, state.waiting])
  const move = useCallback((ms: number, isLast: boolean) => {
    if (isLast) setSettling(true)
    else {
      setScrubMs(ms)
      scrubber.current?.show(ms)
    }
  }, [])
  const get = useCallback(() => player.current, [])
  const scrub = useMemo((): Scrub => ({ canvas, active: scrubMs !== undefined, move }), [scrubMs, move])
  const shown = scrubMs === undefined ? state : { ...state, positionMs: scrubMs }
  return { player: get, state: shown, video, scrub }
}
