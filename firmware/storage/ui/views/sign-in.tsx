/** The first visit, and every later one. */
import { useState } from 'preact/hooks'
import { isHomewardError } from '../../../wire/errors.ts'
import type { AuthState } from '../../web/api.ts'
import { PASSWORD_MAX_CHARACTERS, PASSWORD_MIN_CHARACTERS } from '../../web/constants.ts'
import { useAction } from '../hooks.ts'
import { call } from '../net/api.ts'
import { ErrorLine, Field } from './parts.tsx'

interface SignInProps {
  readonly auth: AuthState
  readonly icon: string
  readonly onChange: (auth: AuthState) => void
}

export function SignIn({ auth, icon, onChange }: SignInProps) {
  const isFirst = auth.state === 'unclaimed'
  return (
    <main class="sign-in">
      <img class="logo" src={icon} alt="" />
      <h1>{isFirst ? 'Claim this storage device' : 'Sign in'}</h1>
      {isFirst ? <Claim onChange={onChange} /> : <Enter onChange={onChange} />}
      {!auth.encrypted && (
        <p class="small soft">
          This connection is not encrypted: use it in your own network only, or start the device with HTTPS.
        </p>
      )}
    </main>
  )
}

function Claim({ onChange }: Pick<SignInProps, 'onChange'>) {
  const [code, setCode] = useState('')
  const [password, setPassword] = useState('')
  const [again, setAgain] = useState('')
  const { busy, error, run } = useAction()
  const differs = again !== '' && again !== password
  const submit = (event: Event) => {
    event.preventDefault()
    if (again !== password) return
    run(async () => {
      try {
        onChange(await call<AuthState>('POST', '/auth/claim', { code, password }))
      } catch (failure) {
        if (isHomewardError(failure, 'ALREADY_CLAIMED')) onChange(await call<AuthState>('GET', '/auth/state'))
        throw failure
      }
    })
  }
  return (
    <form class="stack" onSubmit={submit}>
      <p class="soft">
        Nobody owns it yet. Type <code>homeward storage claim</code> on the device: it prints a code. Then choose a
        password; there is no default one.
      </p>
      <Field label="Claim code">
        <input
          name="code"
          value={code}
          onInput={({ currentTarget }) => setCode(currentTarget.value)}
          autocomplete="one-time-code"
          autocapitalize="characters"
          spellcheck={false}
          required
        />
      </Field>
      <Field label={`New password, ${PASSWORD_MIN_CHARACTERS} characters or more`}>
        <input
          name="password"
          type="password"
          value={password}
          onInput={({ currentTarget }) => setPassword(currentTarget.value)}
          minLength={PASSWORD_MIN_CHARACTERS}
          maxLength={PASSWORD_MAX_CHARACTERS}
          autocomplete="new-password"
          required
        />
      </Field>
      <Field label="The same again">
        <input
          name="again"
          type="password"
          value={again}
          onInput={({ currentTarget }) => setAgain(currentTarget.value)}
          autocomplete="new-password"
          required
        />
      </Field>
      {differs && (
        <p class="error" role="status">
          The two passwords differ.
        </p>
      )}
      <ErrorLine error={error} />
      <button type="submit" class="main" disabled={busy || differs}>
        {busy ? 'One moment…' : 'Claim'}
      </button>
    </form>
  )
}

function Enter({ onChange }: Pick<SignInProps, 'onChange'>) {
  const [password, setPassword] = useState('')
  const { busy, error, run } = useAction()
  const submit = (event: Event) => {
    event.preventDefault()
    run(async () => onChange(await call<AuthState>('POST', '/auth/sign-in', { password })))
  }
  return (
    <form class="stack" onSubmit={submit}>
      <input
        class="hidden"
        type="text"
        name="username"
        value="owner"
        autocomplete="username"
        readOnly
        tabIndex={-1}
        aria-hidden="true"
      />
      <Field label="Password">
        <input
          name="password"
          type="password"
          value={password}
          onInput={({ currentTarget }) => setPassword(currentTarget.value)}
          maxLength={PASSWORD_MAX_CHARACTERS}
          autocomplete="current-password"
          required
        />
      </Field>
      <ErrorLine error={error} />
      <button type="submit" class="main" disabled={busy}>
        {busy ? 'One moment…' : 'Sign in'}
      </button>
    </form>
  )
}
