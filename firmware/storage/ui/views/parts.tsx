/** Small pieces that several views show. */
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { errorText } from '../net/words.ts'

export function ErrorLine({ error }: { readonly error: unknown }) {
  if (error === undefined) return null
  return (
    <p class="error" role="alert">
      {errorText(error)}
    </p>
  )
}

export function Field({ label, children }: { readonly label: string; readonly children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the control is the child
    <label>
      <span>{label}</span>
      {children}
    </label>
  )
}

/** Plain HTTP has no clipboard API in most browsers; the old way works everywhere. */
export function CopyButton({ text }: { readonly text: string }) {
  const [done, setDone] = useState(false)
  const copy = () => {
    const area = document.createElement('textarea')
    area.value = text
    area.className = 'hidden'
    document.body.append(area)
    area.select()
    setDone(document.execCommand('copy'))
    area.remove()
    window.setTimeout(() => setDone(false), 2500)
  }
  return (
    <button type="button" onClick={copy}>
      <span aria-live="polite">{done ? 'Copied' : 'Copy'}</span>
    </button>
  )
}

/** Hands a text to the browser as a download. */
export function saveAs(parts: BlobPart[], type: string, fileName: string): void {
  const url = URL.createObjectURL(new Blob(parts, { type }))
  const link = document.createElement('a')
  link.href = url
  link.download = fileName
  link.click()
  window.setTimeout(() => URL.revokeObjectURL(url), 60_000)
}

/** Asks a second time before something that cannot be taken back. */
export function SureButton(props: {
  readonly text: string
  readonly sure: string
  readonly disabled?: boolean
  readonly onSure: () => void
}) {
  const [asked, setAsked] = useState(false)
  if (!asked) {
    return (
      <button type="button" class="danger" disabled={props.disabled === true} onClick={() => setAsked(true)}>
        {props.text}
      </button>
    )
  }
  return (
    <span class="row">
      <button
        type="button"
        class="danger"
        onClick={() => {
          setAsked(false)
          props.onSure()
        }}
      >
        {props.sure}
      </button>
      <button type="button" onClick={() => setAsked(false)}>
        No
      </button>
    </span>
  )
}
