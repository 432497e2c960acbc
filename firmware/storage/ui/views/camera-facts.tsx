/** How a camera is, in words; its name; and the way to forget it. */
import { useState } from 'preact/hooks'
import type { Camera } from '../../web/api.ts'
import { useAction } from '../hooks.ts'
import { call, cameraPath } from '../net/api.ts'
import { factsOf, STATE_WORDS } from './camera-words.ts'
import { ErrorLine, Field, SureButton } from './parts.tsx'

export function CameraFacts({ camera, nowMs }: { readonly camera: Camera; readonly nowMs: number }) {
  const { busy, error, run } = useAction()
  const [name, setName] = useState(camera.name)
  const isPaired = camera.state !== 'footage-only' && camera.state !== 'forgotten'
  const rename = (event: Event) => {
    event.preventDefault()
    run(() => call('PATCH', cameraPath(camera.id), { name }))
  }
  return (
    <section class="card stack" aria-label="This camera">
      <div class="row spread">
        <h2>This camera</h2>
        <span class={`state ${camera.state}`}>{STATE_WORDS[camera.state]}</span>
      </div>
      <dl class="facts numbers">
        {factsOf(camera, nowMs).map((fact) => (
          <>
            <dt>{fact.name}</dt>
            <dd class={fact.bad === true ? 'error' : ''}>{fact.text}</dd>
          </>
        ))}
        <dt>Folder</dt>
        <dd>{camera.folder}</dd>
      </dl>
      {isPaired && (
        <details>
          <summary>Rename or forget</summary>
          <div class="stack">
            <form class="row" onSubmit={rename}>
              <Field label="Name">
                <input
                  value={name}
                  maxLength={64}
                  required
                  onInput={({ currentTarget }) => setName(currentTarget.value)}
                />
              </Field>
              <button type="submit" disabled={busy || name.trim() === '' || name === camera.name}>
                Rename
              </button>
            </form>
            <p class="small soft">
              Forgetting ends the pairing: the camera is never answered again, and what waits on its card stays there.
              The footage on this disk stays.
            </p>
            <SureButton
              text="Forget this camera"
              sure={`Yes, forget ${camera.name}`}
              disabled={busy}
              onSure={() => run(() => call('POST', `${cameraPath(camera.id)}/forget`))}
            />
            <ErrorLine error={error} />
          </div>
        </details>
      )}
    </section>
  )
}
