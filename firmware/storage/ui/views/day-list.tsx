/** What the timeline shows, in words: what is missing and why, what is locked, and what has no date. */
import type { Timeline } from '../../web/api.ts'
import { useAction } from '../hooks.ts'
import { call, cameraPath } from '../net/api.ts'
import { countText, durationText } from '../time/text.ts'
import { clockText, dayAt } from '../time/zone.ts'
import { holesOf, spanText } from '../timeline/spans.ts'
import type { View } from '../timeline/view.ts'
import { ErrorLine } from './parts.tsx'

interface DayListProps {
  readonly id: string
  readonly timeline: Timeline | undefined
  readonly bounds: View
  readonly zone: string
  readonly onGo: (ms: number) => void
  readonly onChanged: () => void
}

const SHOWN_MAX = 100

export function DayList({ id, timeline, bounds, zone, onGo, onChanged }: DayListProps) {
  const { busy, error, run } = useAction()
  if (timeline === undefined) return null
  const today = timeline.spans.filter(({ fromMs, toMs }) => fromMs < bounds.toMs && toMs > bounds.fromMs)
  const holes = holesOf(today)
  const locks = timeline.locks.filter(({ fromMs, toMs }) => fromMs < bounds.toMs && toMs > bounds.fromMs)
  const storedMs = today
    .filter(({ state }) => state === 'stored')
    .reduce((sum, { fromMs, toMs }) => sum + Math.min(toMs, bounds.toMs) - fromMs, 0)
  const time = (ms: number) =>
    `${dayAt(ms, zone) === dayAt(bounds.fromMs, zone) ? '' : 'next day '}${clockText(ms, zone)}`
  return (
    <section class="card stack" aria-label="This day">
      <h2>This day</h2>
      <p class="soft numbers">
        {storedMs === 0 ? 'Nothing of this day is on the disk.' : `${durationText(storedMs)} on the disk.`}{' '}
        {holes.length === 0
          ? storedMs === 0
            ? ''
            : 'Nothing is known to be missing.'
          : `${countText(holes.length, 'entry', 'entries')} about the rest:`}
      </p>
      {holes.length > 0 && (
        <ul class="list">
          {holes.slice(0, SHOWN_MAX).map(({ fromMs, toMs, span }) => (
            <li key={fromMs}>
              <button type="button" class="quiet numbers" onClick={() => onGo(fromMs - 5000)}>
                {time(fromMs)} – {time(toMs)}
              </button>
              <span class="grow">
                {span === undefined ? `Nothing was recorded for ${durationText(toMs - fromMs)}` : spanText(span)}
                {span?.state === 'lost' && span.fragments !== undefined && `, ${countText(span.fragments, 'fragment')}`}
              </span>
            </li>
          ))}
        </ul>
      )}
      {holes.length > SHOWN_MAX && <p class="soft">And {holes.length - SHOWN_MAX} more.</p>}
      {locks.length > 0 && (
        <>
          <h2>Locked</h2>
          <ul class="list">
            {locks.map((lock) => (
              <li key={lock.id}>
                <button type="button" class="quiet numbers" onClick={() => onGo(lock.fromMs)}>
                  {time(lock.fromMs)} – {time(lock.toMs)}
                </button>
                <span class="grow">{lock.note}</span>
                <button
                  type="button"
                  disabled={busy}
                  aria-label={`Unlock ${time(lock.fromMs)} – ${time(lock.toMs)}`}
                  onClick={() =>
                    run(() => call('DELETE', `${cameraPath(id)}/locks/${encodeURIComponent(lock.id)}`).then(onChanged))
                  }
                >
                  Unlock
                </button>
              </li>
            ))}
          </ul>
        </>
      )}
      <ErrorLine error={error} />
      {timeline.undated.length > 0 && (
        <p class="soft">
          {durationText(timeline.undated.reduce((sum, { durationMs }) => sum + durationMs, 0))} of footage never learnt
          its date. It is in the folder “undated”.
        </p>
      )}
    </section>
  )
}
