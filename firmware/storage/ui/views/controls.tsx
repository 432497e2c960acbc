/** Play, speed, single pictures, live, and the day. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Player, PlayerState } from '../player/player.ts'
import { dayText } from '../time/text.ts'
import { isDay, shiftDay } from '../time/zone.ts'

const RATES = [0.5, 1, 2, 4, 8, 16]

interface ControlsProps {
  readonly player: () => Player | undefined
  readonly state: PlayerState
  readonly time: string
  readonly canLive: boolean
  readonly selecting: boolean
  readonly onSelect: () => void
}

export function Controls({ player, state, time, canLive, selecting, onSelect }: ControlsProps) {
  const { playing, live, rate } = state
  const toggle = () => (playing ? player()?.pause() : player()?.play())
  useKeys({
    ' ': toggle,
    k: toggle,
    ',': () => player()?.step(-1),
    '.': () => player()?.step(1),
    l: () => canLive && player()?.goLive(),
    '<': () => player()?.setRate(neighbour(rate, -1)),
    '>': () => player()?.setRate(neighbour(rate, 1)),
  })
  return (
    <fieldset class="controls" aria-label="Playback">
      <span class="time">{time}</span>
      <button
        type="button"
        onClick={() => player()?.step(-1)}
        aria-label="One picture back"
        title="One picture back ( , )"
      >
        ◂❙
      </button>
      <button type="button" class="main" onClick={toggle} title="Play or pause (space)">
        {playing ? 'Pause' : 'Play'}
      </button>
      <button
        type="button"
        onClick={() => player()?.step(1)}
        aria-label="One picture forth"
        title="One picture forth ( . )"
      >
        ❙▸
      </button>
      <select
        aria-label="Speed"
        value={String(rate)}
        disabled={live}
        onChange={({ currentTarget }) => player()?.setRate(Number(currentTarget.value))}
      >
        {RATES.map((one) => (
          <option key={one} value={String(one)}>
            {one === 0.5 ? '½' : one}×
          </option>
        ))}
      </select>
      {state.hasSound && <Sound />}
      <button
        type="button"
        aria-pressed={live}
        disabled={!canLive && !live}
        onClick={() => player()?.goLive()}
        title="Live (l)"
      >
        Live
      </button>
      <button type="button" aria-expanded={selecting} onClick={onSelect}>
        Export or lock
      </button>
    </fieldset>
  )
}

function neighbour(rate: number, by: 1 | -1): number {
  return RATES[Math.min(RATES.length - 1, Math.max(0, RATES.indexOf(rate) + by))] ?? 1
}

function Sound() {
  const [on, setOn] = useState(() => document.querySelector('video')?.muted === false)
  const toggle = () => {
    const video = document.querySelector('video')
    if (video === null) return
    video.muted = on
    setOn(!on)
  }
  return (
    <button type="button" aria-pressed={on} onClick={toggle}>
      Sound
    </button>
  )
}

/** Keys of the whole page, but where something is typed or chosen. */
function useKeys(keys: Readonly<Record<string, () => unknown>>): void {
  const newest = useRef(keys)
  newest.current = keys
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const place = event.target instanceof Element ? event.target.tagName : ''
      if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA|BUTTON|A|SUMMARY)$/.test(place))
        return
      const action = newest.current[event.key]
      if (action === undefined) return
      event.preventDefault()
      action()
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [])
}

interface DayPickerProps {
  readonly day: string
  readonly today: string
  readonly onDay: (day: string) => void
}

export function DayPicker({ day, today, onDay }: DayPickerProps) {
  return (
    <div class="row">
      <button type="button" onClick={() => onDay(shiftDay(day, -1))} aria-label="The day before">
        ‹
      </button>
      <label>
        <span class="hidden">Day, {dayText(day)}</span>
        <input
          type="date"
          value={day}
          max={today}
          onChange={({ currentTarget }) => isDay(currentTarget.value) && onDay(currentTarget.value)}
        />
      </label>
      <button type="button" disabled={day >= today} onClick={() => onDay(shiftDay(day, 1))} aria-label="The day after">
        ›
      </button>
    </div>
  )
}
