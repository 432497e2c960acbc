/** What is the matter, worst first; on a camera's page what is about it and what is about the device. */
import type { Home, HomeFeed } from '../net/events.ts'
import { cameraRoute } from '../route.ts'
import { agoText } from '../time/text.ts'

const MARKS = { critical: '!', warning: '!', notice: 'i' } as const
const NAMES = { critical: 'Critical', warning: 'Warning', notice: 'Notice' } as const

interface AlertsProps {
  readonly home: Home
  readonly feed: HomeFeed
  readonly camera: string | undefined
}

export function Alerts({ home, feed, camera }: AlertsProps) {
  const all = home.alerts?.alerts ?? []
  const shown = camera === undefined ? all : all.filter((one) => one.camera === null || one.camera === camera)
  if (shown.length === 0) return null
  return (
    <section aria-label="Alerts" aria-live="polite" class="stack tight">
      {shown.map(({ id, kind, severity, message, hint, sinceMs, camera: about }) => (
        <div key={id} class={`alert ${severity}`}>
          <span class="mark" role="img" aria-label={NAMES[severity]}>
            {MARKS[severity]}
          </span>
          <span class="grow">
            <b>{message}</b> {hint} <span class="soft small">Since {agoText(feed.nowMs - sinceMs)}.</span>
          </span>
          {kind === 'key-not-backed-up' && <a href="#/settings">Back up</a>}
          {about !== null && camera === undefined && <a href={cameraRoute(about)}>Camera</a>}
        </div>
      ))}
    </section>
  )
}
