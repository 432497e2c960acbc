/** One camera: its picture, its day, and what can be done with it. */
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { isHomewardError } from '../../../wire/errors.ts'
import type { Timeline } from '../../web/api.ts'
import { useLoaded, useNow } from '../hooks.ts'
import { call, cameraPath } from '../net/api.ts'
import type { Home, HomeFeed } from '../net/events.ts'
import { boundsOf, clockText, DAY_MS, dayAt, viewerZone, zoneName } from '../time/zone.ts'
import { Legend } from '../timeline/legend.tsx'
import { nextStored } from '../timeline/spans.ts'
import { TimelineBar } from '../timeline/timeline.tsx'
import { follow, type View } from '../timeline/view.ts'
import { CameraFacts } from './camera-facts.tsx'
import { Controls, DayPicker } from './controls.tsx'
import { DayList } from './day-list.tsx'
import { ErrorLine } from './parts.tsx'
import { Picture } from './picture.tsx'
import { SpanPanel } from './span-panel.tsx'
import { usePlayer } from './use-player.ts'

/** Today's timeline grows as footage arrives. */
const REFRESH_MS = 4000

interface CameraProps {
  readonly feed: HomeFeed
  readonly home: Home
  readonly id: string
  readonly atMs: number | undefined
}

export function CameraView({ feed, home, id, atMs }: CameraProps) {
  const zone = useMemo(viewerZone, [])
  const nowMs = useNow(feed)
  const camera = home.cameras?.cameras.find((one) => one.id === id || one.folder === id)
  const [day, setDay] = useState(() => dayAt(atMs ?? feed.nowMs, zone))
  const bounds = useMemo(() => boundsOf(day, zone), [day, zone])
  const [view, setView] = useState<View>(bounds)
  const [selected, setSelected] = useState<View>()
  const round = nowMs >= bounds.fromMs && nowMs < bounds.toMs + REFRESH_MS ? Math.floor(nowMs / REFRESH_MS) : 0
  const timeline = useTimeline(id, bounds, round)
  const spans = timeline.value?.spans ?? []
  // Also what comes after this day: playback goes on over midnight.
  const known = useRef(spans)
  known.current = spans
  const { player, state, video, scrub } = usePlayer(id, (ms) => nextStored(known.current, ms))
  const { positionMs } = state

  const go = useCallback(
    (ms: number) => {
      setDay(dayAt(ms, zone))
      player()?.seek(ms)
    },
    [player, zone],
  )
  const started = useRef(false)
  const canLive = camera?.state === 'recording'
  useEffect(() => {
    if (started.current || camera === undefined || timeline.value === undefined) return
    started.current = true
    if (atMs !== undefined) go(atMs)
    else if (canLive) player()?.goLive()
    else if (camera.stored.lastMs !== null) go(Math.max(camera.stored.firstMs ?? 0, camera.stored.lastMs - 10_000))
  }, [camera, timeline.value, atMs, canLive, go, player])
  useEffect(() => setView(bounds), [bounds])
  // The day in view is that of the picture; the picture stays in view while it plays.
  useEffect(() => {
    if (positionMs === 0 || !state.playing) return
    if (positionMs >= bounds.toMs || positionMs < bounds.fromMs) setDay(dayAt(positionMs, zone))
    else setView((old) => follow(old, bounds, positionMs))
  }, [positionMs, state.playing, bounds, zone])

  if (home.cameras !== undefined && camera === undefined) {
    return <p class="card">There is no such camera. It may have been removed together with its footage.</p>
  }
  const onDay = (next: string) => {
    const { fromMs, toMs } = boundsOf(next, zone)
    setDay(next)
    const wanted = fromMs + Math.min(toMs - fromMs - 1, Math.max(0, positionMs - bounds.fromMs))
    player()?.seek(wanted)
  }
  const isError = isHomewardError(timeline.error) && timeline.value === undefined
  return (
    <>
      <div class="row spread">
        <h1>{camera?.name ?? ' '}</h1>
        <DayPicker day={day} today={dayAt(nowMs, zone)} onDay={onDay} />
      </div>
      <Picture video={video} scrub={scrub} state={state} nowMs={nowMs} zone={zone} camera={camera} player={player} />
      <Controls
        player={player}
        state={state}
        time={positionMs === 0 ? '--:--:--' : `${clockText(positionMs, zone)} ${zoneName(positionMs, zone)}`}
        canLive={canLive}
        onSelect={() => setSelected(selected === undefined ? selection(positionMs, bounds, nowMs) : undefined)}
        selecting={selected !== undefined}
      />
      {isError && <ErrorLine error={timeline.error} />}
      <TimelineBar
        bounds={bounds}
        view={view}
        spans={spans}
        locks={timeline.value?.locks ?? []}
        zone={zone}
        positionMs={positionMs}
        nowMs={nowMs}
        selected={selected}
        onView={setView}
        onScrub={(ms, isLast) => {
          scrub.move(ms, isLast)
          if (isLast) player()?.seek(ms)
        }}
      />
      <Legend />
      {selected !== undefined && camera !== undefined && (
        <SpanPanel
          camera={camera}
          span={selected}
          bounds={bounds}
          zone={zone}
          positionMs={positionMs}
          onSpan={setSelected}
          onLocked={timeline.again}
        />
      )}
      <DayList id={id} timeline={timeline.value} bounds={bounds} zone={zone} onGo={go} onChanged={timeline.again} />
      {camera !== undefined && <CameraFacts camera={camera} nowMs={nowMs} />}
    </>
  )
}

/** The minute around the picture. */
function selection(positionMs: number, bounds: View, nowMs: number): View {
  const middle = Math.min(Math.max(positionMs, bounds.fromMs), Math.min(bounds.toMs, nowMs))
  const fromMs = Math.max(bounds.fromMs, middle - 30_000)
  return { fromMs, toMs: Math.min(bounds.toMs, fromMs + 60_000) }
}

/** The old one stays while a newer one of the same day loads. A day more, for what plays on over midnight. */
function useTimeline(id: string, bounds: View, round: number) {
  const key = `${id} ${bounds.fromMs}`
  const loaded = useLoaded(`${key} ${round}`, (signal) =>
    call<Timeline>(
      'GET',
      `${cameraPath(id)}/timeline?from=${bounds.fromMs}&to=${bounds.toMs + DAY_MS}`,
      undefined,
      signal,
    ),
  )
  const last = useRef<{ key: string; value: Timeline } | undefined>(undefined)
  if (loaded.value !== undefined) last.current = { key, value: loaded.value }
  const value = last.current?.key === key ? last.current.value : undefined
  return { ...loaded, value }
}
