/** A chosen span: export it as one MP4, or lock it. */
import { useRef, useState } from 'preact/hooks'
import { HomewardError } from '../../../wire/errors.ts'
import type { Camera, ExportPlan } from '../../web/api.ts'
import { useAction, useLoaded } from '../hooks.ts'
import { call, cameraPath, isCancelled, send } from '../net/api.ts'
import { bytesText, countText, durationText } from '../time/text.ts'
import { clockMs, clockText } from '../time/zone.ts'
import type { View } from '../timeline/view.ts'
import { ErrorLine, Field, saveAs } from './parts.tsx'

/** More than this a page should not hold in memory: the browser's own download takes it, and shows how far it is. */
const IN_PAGE_MAX_BYTES = 512 * 1024 * 1024

interface SpanPanelProps {
  readonly camera: Camera
  readonly span: View
  readonly bounds: View
  readonly zone: string
  readonly positionMs: number
  readonly onSpan: (span: View | undefined) => void
  readonly onLocked: () => void
}

export function SpanPanel({ camera, span, bounds, zone, positionMs, onSpan, onLocked }: SpanPanelProps) {
  const lock = useAction()
  const [note, setNote] = useState('')
  const [locked, setLocked] = useState(false)
  const setFrom = (fromMs: number) => onSpan({ fromMs, toMs: Math.max(span.toMs, fromMs + 1000) })
  const setTo = (toMs: number) => onSpan({ fromMs: Math.min(span.fromMs, toMs - 1000), toMs })
  const onLock = () =>
    lock.run(async () => {
      await call('POST', `${cameraPath(camera.id)}/locks`, {
        ...{ fromMs: Math.round(span.fromMs), toMs: Math.round(span.toMs), note },
      })
      setLocked(true)
      onLocked()
    })
  return (
    <section class="card stack" aria-label="Export or lock a span">
      <div class="row low">
        <TimeInput label="From" ms={span.fromMs} bounds={bounds} zone={zone} onMs={setFrom} />
        <button type="button" onClick={() => setFrom(positionMs)}>
          From here
        </button>
        <TimeInput label="To" ms={span.toMs} bounds={bounds} zone={zone} onMs={setTo} />
        <button type="button" onClick={() => setTo(positionMs)}>
          To here
        </button>
        <span class="soft numbers">{durationText(span.toMs - span.fromMs)}</span>
      </div>
      <Export camera={camera} span={span} zone={zone} />
      <div class="row low">
        <Field label="Lock it: retention never deletes it. Why?">
          <input value={note} maxLength={100} onInput={({ currentTarget }) => setNote(currentTarget.value)} />
        </Field>
        <button type="button" disabled={lock.busy} onClick={onLock}>
          Lock
        </button>
        <span role="status">{locked && 'Locked.'}</span>
      </div>
      <ErrorLine error={lock.error} />
    </section>
  )
}

interface TimeInputProps {
  readonly label: string
  readonly ms: number
  readonly bounds: View
  readonly zone: string
  readonly onMs: (ms: number) => void
}

function TimeInput({ label, ms, bounds, zone, onMs }: TimeInputProps) {
  const change = (text: string) => {
    const [hours = 0, minutes = 0, seconds = 0] = text.split(':').map(Number)
    const wanted = ((hours * 60 + minutes) * 60 + seconds) * 1000
    // The nearest moment of that name to the one before: of an hour that comes twice, the same one.
    const moved = ms + wanted - clockMs(ms, zone)
    const corrected = moved + wanted - clockMs(moved, zone)
    onMs(Math.min(Math.max(corrected, bounds.fromMs), bounds.toMs))
  }
  return (
    <Field label={label}>
      <input
        type="time"
        step="1"
        value={clockText(ms, zone)}
        onChange={({ currentTarget }) => currentTarget.value !== '' && change(currentTarget.value)}
      />
    </Field>
  )
}

function Export({ camera, span, zone }: { readonly camera: Camera; readonly span: View; readonly zone: string }) {
  const query = `from=${Math.round(span.fromMs)}&to=${Math.round(span.toMs)}`
  const plan = useLoaded(`${camera.id} ${query}`, (signal) =>
    call<ExportPlan>('GET', `${cameraPath(camera.id)}/export?${query}`, undefined, signal),
  )
  const { busy, error, run } = useAction()
  const [share, setShare] = useState(0)
  const control = useRef<AbortController | undefined>(undefined)
  const url = `${cameraPath(camera.id)}/export.mp4?${query}`
  if (plan.value === undefined)
    return plan.error === undefined ? <p class="soft">…</p> : <ErrorLine error={plan.error} />
  const { bytes, durationMs, gaps, damaged, fileName } = plan.value
  const start = () =>
    run(async () => {
      const stop = new AbortController()
      control.current = stop
      setShare(0)
      const parts = await download(url, bytes, stop.signal, setShare).catch((failure: unknown) => {
        if (isCancelled(failure)) return undefined
        throw failure
      })
      if (parts !== undefined) saveAs(parts, 'video/mp4', fileName)
    })
  return (
    <div class="stack tight">
      <p class="numbers">
        One MP4: {durationText(durationMs)}, {bytesText(bytes)}, as it was filmed.
        {gaps.length > 0 && (
          <span class="soft">
            {' '}
            {countText(gaps.length, 'gap')} closed:{' '}
            {gaps
              .slice(0, 4)
              .map(({ fromMs, toMs }) => `${clockText(fromMs, zone)} – ${clockText(toMs, zone)}`)
              .join(', ')}
            {gaps.length > 4 && ' …'}
          </span>
        )}
        {damaged.length > 0 && <span class="error"> {countText(damaged.length, 'damaged file')} left out.</span>}
      </p>
      <div class="row">
        {bytes > IN_PAGE_MAX_BYTES ? (
          <a class="button main" href={url} download={fileName}>
            Export: the browser shows how far it is
          </a>
        ) : (
          <button type="button" class="main" disabled={busy} onClick={start}>
            Export
          </button>
        )}
        {busy && (
          <>
            <progress aria-label="Export" max={1} value={share} />
            <span class="numbers">{Math.round(share * 100)} %</span>
            <button type="button" onClick={() => control.current?.abort()}>
              Stop
            </button>
          </>
        )}
      </div>
      <ErrorLine error={error} />
    </div>
  )
}

async function download(
  url: string,
  bytes: number,
  signal: AbortSignal,
  onShare: (share: number) => void,
): Promise<BlobPart[]> {
  const { body } = await send(url, { signal })
  const parts: BlobPart[] = []
  let taken = 0
  const reader = body?.getReader()
  for (let piece = await reader?.read(); piece?.value !== undefined; piece = await reader?.read()) {
    parts.push(piece.value as BlobPart)
    taken += piece.value.byteLength
    onShare(taken / bytes)
  }
  if (taken === bytes) return parts
  throw new HomewardError('DISK_FAILED', `the export ended after ${bytesText(taken)} of ${bytesText(bytes)}`, {
    hint: 'Try again; when it fails at the same place, run `homeward storage verify` on the device.',
  })
}
