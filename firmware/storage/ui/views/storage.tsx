/** The disk, how far back footage reaches, and how long it is kept. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Camera, Storage } from '../../web/api.ts'
import { useAction, useLoaded } from '../hooks.ts'
import { call, cameraPath } from '../net/api.ts'
import type { Home } from '../net/events.ts'
import { bytesText, countText, durationText } from '../time/text.ts'
import { dayAt, viewerZone } from '../time/zone.ts'
import { ErrorLine, Field, useFocused } from './parts.tsx'

const GB = 1e9
type Kept = Storage['cameras'][number]
const LIMITS = { days: 'its limit of days', bytes: 'its limit of bytes', disk: 'the size of the disk' } as const

export function StorageView({ home }: { readonly home: Home }) {
  const round = Math.floor((home.status?.nowMs ?? 0) / 10_000)
  const [changes, setChanges] = useState(0)
  const { value: fresh, error } = useLoaded(`storage ${round} ${changes}`, (signal) =>
    call<Storage>('GET', '/api/v1/storage', undefined, signal),
  )
  const [last, setLast] = useState<Storage>()
  if (fresh !== undefined && fresh !== last) setLast(fresh)
  const storage = fresh ?? last
  const nameOf = (id: string) => home.cameras?.cameras.find((camera) => camera.id === id)
  return (
    <>
      <h1>Storage</h1>
      <ErrorLine error={storage === undefined ? error : undefined} />
      {home.status?.alarm != null && (
        <div class="alert critical">
          <span class="mark">!</span>
          <span>
            {home.status.alarm.message}. {home.status.alarm.hint}
          </span>
        </div>
      )}
      {storage !== undefined && <Disk storage={storage} />}
      {storage !== undefined && storage.cameras.length > 0 && (
        <section class="card stack">
          <h2>What is kept of each camera</h2>
          <div class="scroll">
            <table class="wide">
              <thead>
                <tr>
                  <th>Camera</th>
                  <th>On the disk</th>
                  <th>A day takes</th>
                  <th>Reaches back</th>
                  <th>Limits</th>
                </tr>
              </thead>
              <tbody>
                {storage.cameras.map((kept) => (
                  <KeptRow
                    key={kept.id}
                    kept={kept}
                    camera={nameOf(kept.id)}
                    onChanged={() => setChanges((count) => count + 1)}
                  />
                ))}
              </tbody>
            </table>
          </div>
        </section>
      )}
    </>
  )
}

function Disk({ storage }: { readonly storage: Storage }) {
  const { disk, bytesPerDay, fullInMs, ageHeld, trouble, deleted } = storage
  const { totalBytes, freeBytes, footageBytes, minFreeBytes, root } = disk
  const share = (bytes: number) => `${Math.max(0, Math.min(100, (100 * bytes) / (totalBytes ?? 1)))}%`
  return (
    <section class="card stack" aria-label="The disk">
      {totalBytes === null || freeBytes === null ? (
        <p class="error">The disk does not answer. The cameras keep everything on their cards meanwhile.</p>
      ) : (
        <>
          <p class="numbers">
            <b>{bytesText(footageBytes)} of footage</b>, {bytesText(freeBytes)} free of {bytesText(totalBytes)};{' '}
            {bytesText(minFreeBytes)} stay free.
          </p>
          <div class="bar" role="img" aria-label={`${bytesText(freeBytes)} free of ${bytesText(totalBytes)}`}>
            <i class="footage" style={{ width: share(footageBytes) }} />
            <i class="other" style={{ width: share(totalBytes - freeBytes - footageBytes) }} />
          </div>
          <p class="small soft">Green: footage. Grey: what else is on the disk ({root}).</p>
        </>
      )}
      <p class="numbers">
        {bytesPerDay > 0
          ? `About ${bytesText(bytesPerDay)} a day come in. ${forecast(fullInMs)}`
          : 'There is too little footage yet for a forecast.'}
      </p>
      {ageHeld !== null && <p>Nothing is deleted for its age right now: {ageHeld}.</p>}
      {trouble !== null && <p class="error">{trouble}</p>}
      {deleted.files > 0 && (
        <p class="small soft">
          Deleted since the start: {countText(deleted.files, 'file')}, {bytesText(deleted.bytes)}.
        </p>
      )}
    </section>
  )
}

function forecast(fullInMs: number | null): string {
  if (fullInMs === null) return 'At this rate the disk does not fill up.'
  if (fullInMs <= 0) return 'The disk is full: the oldest footage goes for new.'
  return `At this rate the disk is full in ${durationText(fullInMs)}; from then on the oldest footage goes for new.`
}

interface KeptRowProps {
  readonly kept: Kept
  readonly camera: Camera | undefined
  readonly onChanged: () => void
}

function KeptRow({ kept, camera, onChanged }: KeptRowProps) {
  const [editing, setEditing] = useState<boolean>()
  const change = useRef<HTMLButtonElement>(null)
  useEffect(() => {
    if (editing === false) change.current?.focus()
  }, [editing])
  const { bytes, locks, bytesPerDay, firstMs, maxDays, maxBytes, keepsDays, limitedBy, ownLimits } = kept
  const limits = [
    maxDays === null ? undefined : durationText(maxDays * 86_400_000),
    maxBytes === null ? undefined : bytesText(maxBytes),
  ].filter((text) => text !== undefined)
  return (
    <tr>
      <td>
        <b>{camera?.name ?? kept.id.slice(0, 7)}</b>
      </td>
      <td class="numbers">
        {bytesText(bytes)}
        {locks > 0 && <span class="small soft"> · {countText(locks, 'locked span')}</span>}
      </td>
      <td class="numbers">{bytesPerDay === null ? 'a day: not known yet' : `${bytesText(bytesPerDay)} a day`}</td>
      <td class="numbers">
        {firstMs === null ? 'nothing yet' : `back to ${dayAt(firstMs, viewerZone())}`}
        {keepsDays !== null && limitedBy !== null && (
          <div class="small soft">
            will reach {durationText(keepsDays * 86_400_000)}, by {LIMITS[limitedBy]}
          </div>
        )}
      </td>
      <td>
        {editing ? (
          <Limits
            kept={kept}
            onDone={() => {
              setEditing(false)
              onChanged()
            }}
          />
        ) : (
          <div class="row">
            <span class="numbers">
              {limits.length === 0 ? 'no limit but the disk' : limits.join(', ')}
              {!ownLimits && <span class="small soft"> · as for every camera</span>}
            </span>
            <button
              ref={change}
              type="button"
              aria-label={`Change the limits of ${camera?.name ?? kept.id.slice(0, 7)}`}
              onClick={() => setEditing(true)}
            >
              Change
            </button>
          </div>
        )}
      </td>
    </tr>
  )
}

/** Empty for none. */
function Limits({ kept, onDone }: { readonly kept: Kept; readonly onDone: () => void }) {
  const [days, setDays] = useState(kept.maxDays === null ? '' : String(kept.maxDays))
  const [gigabytes, setGigabytes] = useState(kept.maxBytes === null ? '' : String(kept.maxBytes / GB))
  const { busy, error, run } = useAction()
  const first = useFocused<HTMLInputElement>()
  const submit = (event: Event) => {
    event.preventDefault()
    const maxDays = days === '' ? null : Number(days)
    const maxBytes = gigabytes === '' ? null : Math.round(Number(gigabytes) * GB)
    run(() => call('PUT', `${cameraPath(kept.id)}/retention`, { maxDays, maxBytes }).then(onDone))
  }
  return (
    <form class="stack tight" onSubmit={submit}>
      <div class="row">
        <Field label="Days">
          <input
            ref={first}
            type="number"
            min="0.05"
            step="any"
            value={days}
            onInput={({ currentTarget }) => setDays(currentTarget.value)}
          />
        </Field>
        <Field label="GB">
          <input
            type="number"
            min="0.001"
            step="any"
            value={gigabytes}
            onInput={({ currentTarget }) => setGigabytes(currentTarget.value)}
          />
        </Field>
      </div>
      <p class="small soft">Empty: no limit but the disk. What is older, or more, is deleted soon after.</p>
      <ErrorLine error={error} />
      <div class="row">
        <button type="submit" class="main" disabled={busy}>
          Set
        </button>
        <button type="button" onClick={onDone}>
          Leave it
        </button>
      </div>
    </form>
  )
}
