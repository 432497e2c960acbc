/** Small pieces that several views show. */
import type { ComponentChildren } from 'preact'
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
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

/** Asks a second time before something that cannot be taken back. The keyboard stays where the question is. */
export function SureButton(props: {
  readonly text: string
  readonly sure: string
  /** What it is about, for those who do not see where it stands. */
  readonly about?: string
  readonly disabled?: boolean
  readonly onSure: () => void
}) {
  const [asked, setAsked] = useState<boolean>()
  const place = useRef<HTMLButtonElement>(null)
  const { text, sure, about } = props
  useLayoutEffect(() => {
    if (asked !== undefined) place.current?.focus()
  }, [asked])
  const name = (words: string) => (about === undefined ? words : `${words}: ${about}`)
  if (asked !== true) {
    return (
      <button
        ref={place}
        type="button"
        class="danger"
        aria-label={name(text)}
        disabled={props.disabled === true}
        onClick={() => setAsked(true)}
      >
        {text}
      </button>
    )
  }
  return (
    <span class="row">
      <button
        ref={place}
        type="button"
        class="danger"
        aria-label={name(sure)}
        onClick={() => {
          setAsked(false)
          props.onSure()
        }}
      >
        {sure}
      </button>
      <button type="button" onClick={() => setAsked(false)}>
        No
      </button>
    </span>
  )
}

/** For what takes the place of a control that was just used: the keyboard goes on from here. */
export function useFocused<Place extends HTMLElement>(): { current: Place | null } {
  const place = useRef<Place>(null)
  useLayoutEffect(() => place.current?.focus(), [])
  return place
}
