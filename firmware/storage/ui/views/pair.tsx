/** A setup code for one camera: as a QR code, to copy, counting down, until the camera is there. */
import { useMemo, useState } from 'preact/hooks'
import { encode } from 'uqr'
import type { NewPairing } from '../../web/api.ts'
import { useAction, useNow } from '../hooks.ts'
import { call } from '../net/api.ts'
import type { Home, HomeFeed } from '../net/events.ts'
import { cameraRoute } from '../route.ts'
import { agoText } from '../time/text.ts'
import { CopyButton, ErrorLine, Field, useFocused } from './parts.tsx'

const REFUSALS = {
  TOKEN_EXPIRED: 'its setup code had run out',
  TOKEN_USED: 'its setup code had been used by another camera',
} as const

interface PairProps {
  readonly feed: HomeFeed
  readonly home: Home
}

export function PairView({ feed, home }: PairProps) {
  const nowMs = useNow(feed)
  const [name, setName] = useState('')
  const [pairing, setPairing] = useState<NewPairing>()
  const { busy, error, run } = useAction()
  const open = (event: Event) => {
    event.preventDefault()
    run(async () => setPairing(await call<NewPairing>('POST', '/api/v1/pairings', name.trim() === '' ? {} : { name })))
  }
  const used = home.pairings?.pairings.find(({ id }) => id === pairing?.id)
  const camera = home.cameras?.cameras.find(({ id }) => id === used?.camera)
  const refusals = home.cameras?.refusals ?? []
  return (
    <>
      <h1>Add a camera</h1>
      {pairing === undefined ? (
        <form class="card form" onSubmit={open}>
          <Field label="What it will be called">
            <input
              name="name"
              value={name}
              maxLength={64}
              placeholder="Front door"
              onInput={({ currentTarget }) => setName(currentTarget.value)}
            />
          </Field>
          <ErrorLine error={error} />
          <button type="submit" class="main" disabled={busy}>
            Make a setup code
          </button>
        </form>
      ) : used?.state === 'used' ? (
        <div class="card stack" role="status">
          <h2>{camera?.name ?? pairing.name ?? 'The camera'} is paired</h2>
          <p class="soft">
            {camera?.link.connected === true
              ? `It is connected. ${camera.stored.fragments > 0 ? 'Its footage is arriving.' : 'Its footage will follow.'}`
              : 'It connects in a moment.'}
          </p>
          <div class="row">
            {used.camera !== null && (
              <a class="button main" href={cameraRoute(used.camera)}>
                Look at it
              </a>
            )}
            <button type="button" onClick={() => setPairing(undefined)}>
              Add another one
            </button>
          </div>
        </div>
      ) : (
        <SetupCode pairing={pairing} nowMs={nowMs} onAgain={() => setPairing(undefined)} />
      )}
      {refusals.length > 0 && (
        <section class="card stack tight">
          <h2>Turned away</h2>
          <ul class="list">
            {refusals.map(({ camera: id, name: called, why, atMs, attempts }) => (
              <li key={`${id} ${why}`}>
                <span class="grow">
                  {called === '' ? id.slice(0, 7) : called}: {REFUSALS[why]}. Make a new code for it.
                </span>
                <span class="soft small">
                  {agoText(nowMs - atMs)}
                  {attempts > 1 && `, ${attempts} times`}
                </span>
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  )
}

interface SetupCodeProps {
  readonly pairing: NewPairing
  readonly nowMs: number
  readonly onAgain: () => void
}

function SetupCode({ pairing, nowMs, onAgain }: SetupCodeProps) {
  const leftMs = pairing.expiresMs - nowMs
  const code = useFocused<HTMLDivElement>()
  if (leftMs <= 0) {
    return (
      <div class="card stack" role="status">
        <p>The setup code has run out, and no camera has used it.</p>
        <div>
          <button type="button" class="main" onClick={onAgain}>
            Make another one
          </button>
        </div>
      </div>
    )
  }
  return (
    <div class="card row" style={{ alignItems: 'flex-start', gap: '20px' }}>
      <QrCode text={pairing.setupCode} />
      <div class="stack" style={{ flex: '1', minWidth: '240px' }}>
        <p>
          For <b>{pairing.name ?? 'one camera'}</b>, good for another{' '}
          <b class="numbers" role="timer">
            {leftText(leftMs)}
          </b>
          . It can be used once.
        </p>
        <p class="small soft">
          Show the QR code to the camera, or type on it: <code>homeward camera setup CODE</code>
        </p>
        <div class="code" ref={code} tabIndex={-1}>
          {pairing.setupCode}
        </div>
        <div class="row">
          <CopyButton text={pairing.setupCode} />
        </div>
        {pairing.note !== null && <p class="small">{pairing.note}</p>}
        <p class="soft" role="status">
          Waiting for the camera…
        </p>
      </div>
    </div>
  )
}

/** `9:41`. */
function leftText(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

function QrCode({ text }: { readonly text: string }) {
  const { size, path } = useMemo(() => {
    const { data, size: side } = encode(text, { ecc: 'M', border: 0 })
    const squares = data.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x} ${y}h1v1h-1z`] : [])))
    return { size: side, path: squares.join('') }
  }, [text])
  return (
    <svg
      class="qr"
      viewBox={`0 0 ${size} ${size}`}
      role="img"
      aria-label="Setup code as a QR code"
      shape-rendering="crispEdges"
    >
      <path d={path} fill="#000" />
    </svg>
  )
}
