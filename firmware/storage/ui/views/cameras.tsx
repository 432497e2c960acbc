/** All cameras: the newest picture of each, and how it is. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Camera } from '../../web/api.ts'
import { useNow } from '../hooks.ts'
import type { Home, HomeFeed } from '../net/events.ts'
import { drawStill } from '../player/still.ts'
import { cameraRoute } from '../route.ts'
import { agoText, bytesText, durationText, rateText } from '../time/text.ts'
import { backlogText, pathText, STATE_WORDS } from './camera-words.ts'

const STILL_EVERY_MS = 10_000
/** What is on its way is no backlog. */
const WAITING_MS = 10_000

interface CamerasProps {
  readonly feed: HomeFeed
  readonly home: Home
}

export function CamerasView({ feed, home }: CamerasProps) {
  const nowMs = useNow(feed)
  const cameras = home.cameras?.cameras
  return (
    <>
      <div class="row spread">
        <h1>Cameras</h1>
        <a class="button main" href="#/pair">
          Add a camera
        </a>
      </div>
      {cameras?.length === 0 && (
        <p class="card">
          No camera is paired yet. Add one: it needs a setup code, typed in or shown to it as a QR code.
        </p>
      )}
      <div class="cameras">
        {cameras?.map((camera) => (
          <CameraCard key={camera.id} camera={camera} nowMs={nowMs} />
        ))}
      </div>
    </>
  )
}

function CameraCard({ camera, nowMs }: { readonly camera: Camera; readonly nowMs: number }) {
  const { id, name, state, link, lastFragmentMs, card, rates, stored } = camera
  const backlog = card !== null && card.oldestUnackedAgeMs > WAITING_MS ? backlogText(camera) : undefined
  return (
    <article class="card camera">
      <a class="still" href={cameraRoute(id)} aria-label={`${name}: open`} tabIndex={-1}>
        <Still camera={camera} nowMs={nowMs} />
      </a>
      <div class="body">
        <div class="row spread">
          <h2>
            <a href={cameraRoute(id)}>{name}</a>
          </h2>
          <span class={`state ${state}`}>{STATE_WORDS[state]}</span>
        </div>
        <p class="small soft numbers">
          {lastFragmentMs === null ? 'Nothing stored yet' : `Stored ${agoText(nowMs - lastFragmentMs)}`}
          {state === 'recording' && ` · ${rateText(rates.bytesPerSecond)}`}
          {` · ${bytesText(stored.bytes)} on the disk`}
        </p>
        {link.path !== null && <p class="small soft">{pathText(camera)}</p>}
        {backlog !== undefined && <p class={`small ${card?.full ? 'error' : 'soft'}`}>{backlog}</p>}
        {card !== null && card.fullInMs !== null && (
          <p class="small error">The card is full in {durationText(card.fullInMs)}.</p>
        )}
        {camera.alerts.map((alert) => (
          <p key={alert.id} class={`small ${alert.severity === 'critical' ? 'error' : ''}`}>
            {alert.message}
          </p>
        ))}
      </div>
    </article>
  )
}

function Still({ camera, nowMs }: { readonly camera: Camera; readonly nowMs: number }) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const [shown, setShown] = useState<{ atMs?: number; failed?: boolean }>({})
  const { id } = camera
  const round = camera.state === 'recording' ? Math.floor(nowMs / STILL_EVERY_MS) : 0
  const isEmpty = camera.stored.fragments === 0
  useEffect(() => {
    const place = canvas.current
    if (place === null || isEmpty || document.hidden) return
    const control = new AbortController()
    drawStill(id, undefined, place, control.signal).then(
      (atMs) => setShown({ atMs }),
      () => {
        if (!control.signal.aborted) setShown((old) => (old.atMs === undefined ? { failed: true } : old))
      },
    )
    return () => control.abort()
  }, [id, round, isEmpty])
  return (
    <>
      <canvas ref={canvas} width="16" height="9" role="img" aria-label={`Newest picture of ${camera.name}`} />
      {isEmpty && <span class="none">No picture yet</span>}
      {!isEmpty && shown.failed === true && <span class="none">No picture that this browser can show</span>}
      {shown.atMs !== undefined && <span class="when numbers">{agoText(nowMs - shown.atMs)}</span>}
    </>
  )
}
