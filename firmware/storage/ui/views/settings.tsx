/** Key back-up, password and sessions, tokens of programs, webhook, and what the device says about itself. */
import { useState } from 'preact/hooks'
import type { KeyBackup, NewToken, Sessions, Tokens, Webhook, WebhookResult } from '../../web/api.ts'
import { PASSWORD_MIN_CHARACTERS } from '../../web/constants.ts'
import { useAction, useLoaded } from '../hooks.ts'
import { call } from '../net/api.ts'
import type { Home } from '../net/events.ts'
import { agoText, countText } from '../time/text.ts'
import { CopyButton, ErrorLine, Field, SureButton, saveAs } from './parts.tsx'

interface SettingsProps {
  readonly home: Home
  readonly onSignedOut: () => void
}

export function SettingsView({ home, onSignedOut }: SettingsProps) {
  return (
    <>
      <h1>Settings</h1>
      <KeyBackupCard home={home} />
      <SessionsCard onSignedOut={onSignedOut} />
      <PasswordCard />
      <TokensCard />
      <WebhookCard />
      <DeviceCard home={home} />
    </>
  )
}

function KeyBackupCard({ home }: { readonly home: Home }) {
  const [password, setPassword] = useState('')
  const [passphrase, setPassphrase] = useState('')
  const { busy, error, run } = useAction()
  const doneMs = home.status?.keyBackupMs ?? null
  const submit = (event: Event) => {
    event.preventDefault()
    run(async () => {
      const { backup, fileName } = await call<KeyBackup>('POST', '/api/v1/key-backup', { password, passphrase })
      saveAs([backup], 'text/plain', fileName)
      setPassword('')
      setPassphrase('')
    })
  }
  return (
    <section class="card stack">
      <h2>Back-up of the key</h2>
      <p class="soft">
        Should this device die, its key brings every camera to a new one. Without it all cameras must be paired again,
        and what waits on their cards stays unreadable.{' '}
        {doneMs === null ? (
          <b class="error">Not backed up yet.</b>
        ) : (
          `Backed up on ${new Date(doneMs).toLocaleDateString()}.`
        )}
      </p>
      <form class="form" onSubmit={submit}>
        <Field label="Passphrase for the copy, 8 characters or more: keep it with care, it cannot be found again">
          <input
            type="password"
            minLength={8}
            maxLength={256}
            autocomplete="off"
            required
            value={passphrase}
            onInput={({ currentTarget }) => setPassphrase(currentTarget.value)}
          />
        </Field>
        <Field label="Your password">
          <input
            type="password"
            autocomplete="current-password"
            required
            value={password}
            onInput={({ currentTarget }) => setPassword(currentTarget.value)}
          />
        </Field>
        <ErrorLine error={error} />
        <button type="submit" class={doneMs === null ? 'main' : ''} disabled={busy}>
          {busy ? 'One moment…' : 'Download the sealed copy'}
        </button>
      </form>
    </section>
  )
}

function SessionsCard({ onSignedOut }: Pick<SettingsProps, 'onSignedOut'>) {
  const { value, error, again } = useLoaded('sessions', (signal) =>
    call<Sessions>('GET', '/api/v1/sessions', undefined, signal),
  )
  const action = useAction()
  return (
    <section class="card stack">
      <div class="row spread">
        <h2>Signed in</h2>
        <div class="row">
          <button type="button" onClick={() => action.run(() => call('POST', '/auth/sign-out').then(onSignedOut))}>
            Sign out
          </button>
          <SureButton
            text="Sign out everywhere"
            sure="Yes, here too"
            onSure={() => action.run(() => call('DELETE', '/api/v1/sessions').then(onSignedOut))}
          />
        </div>
      </div>
      <ErrorLine error={error ?? action.error} />
      <ul class="list">
        {value?.sessions.map(({ id, current, createdMs, usedMs, address, browser }) => (
          <li key={id}>
            <span class="grow">
              {browserName(browser)} at {address}
              {current && <b> (this one)</b>}
              <span class="small soft">
                {' '}
                since {new Date(createdMs).toLocaleDateString()}, used{' '}
                {current ? 'now' : new Date(usedMs).toLocaleString()}
              </span>
            </span>
            {!current && (
              <button
                type="button"
                aria-label={`End: ${browserName(browser)} at ${address}`}
                onClick={() => action.run(() => call('DELETE', `/api/v1/sessions/${id}`).then(again))}
              >
                End
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  )
}

/** `Firefox on Android` out of what browsers call themselves. */
function browserName(agent: string): string {
  const browser = /(Edg|OPR|Firefox|Chrome|Safari)\w*\//.exec(agent)?.[1] ?? 'A browser'
  const system = /(Android|iPhone|iPad|Windows|Mac OS X|Linux)/.exec(agent)?.[1]
  const names: Readonly<Record<string, string>> = { Edg: 'Edge', OPR: 'Opera' }
  return `${names[browser] ?? browser}${system === undefined ? '' : ` on ${system}`}`
}

function PasswordCard() {
  const [current, setCurrent] = useState('')
  const [password, setPassword] = useState('')
  const [done, setDone] = useState(false)
  const { busy, error, run } = useAction()
  const submit = (event: Event) => {
    event.preventDefault()
    setDone(false)
    run(async () => {
      await call('POST', '/auth/password', { current, password })
      setCurrent('')
      setPassword('')
      setDone(true)
    })
  }
  return (
    <section class="card stack">
      <h2>Password</h2>
      <form class="form" onSubmit={submit}>
        <Field label="The password in force">
          <input
            type="password"
            autocomplete="current-password"
            required
            value={current}
            onInput={({ currentTarget }) => setCurrent(currentTarget.value)}
          />
        </Field>
        <Field label={`A new one, ${PASSWORD_MIN_CHARACTERS} characters or more`}>
          <input
            type="password"
            autocomplete="new-password"
            minLength={PASSWORD_MIN_CHARACTERS}
            required
            value={password}
            onInput={({ currentTarget }) => setPassword(currentTarget.value)}
          />
        </Field>
        <ErrorLine error={error} />
        <div class="row">
          <button type="submit" disabled={busy}>
            Change it
          </button>
          <span role="status">{done && 'Changed. Everybody else is signed out.'}</span>
        </div>
      </form>
    </section>
  )
}

function TokensCard() {
  const loaded = useLoaded('tokens', (signal) => call<Tokens>('GET', '/api/v1/tokens', undefined, signal))
  const { value, again } = loaded
  const [name, setName] = useState('')
  const [made, setMade] = useState<NewToken>()
  const { busy, error, run } = useAction()
  const submit = (event: Event) => {
    event.preventDefault()
    run(async () => {
      setMade(await call<NewToken>('POST', '/api/v1/tokens', { name }))
      setName('')
      again()
    })
  }
  return (
    <section class="card stack">
      <h2>Tokens of programs</h2>
      <p class="soft">A token reads everything and changes nothing: for players, Prometheus and scripts.</p>
      {made !== undefined && (
        <div class="stack tight" role="status">
          <p>The token for {made.name}. It is shown this once: copy it now.</p>
          <div class="code">{made.token}</div>
          <div class="row">
            <CopyButton text={made.token} />
          </div>
        </div>
      )}
      <ul class="list">
        {value?.tokens.map((token) => (
          <li key={token.id}>
            <span class="grow">
              {token.name}
              <span class="small soft">
                {' '}
                {token.usedMs === null ? 'never used' : `used ${new Date(token.usedMs).toLocaleString()}`}
              </span>
            </span>
            <SureButton
              text="Revoke"
              sure="Yes, revoke"
              about={token.name}
              onSure={() => run(() => call('DELETE', `/api/v1/tokens/${token.id}`).then(again))}
            />
          </li>
        ))}
      </ul>
      <form class="row low" onSubmit={submit}>
        <Field label="What it is for">
          <input maxLength={64} required value={name} onInput={({ currentTarget }) => setName(currentTarget.value)} />
        </Field>
        <button type="submit" disabled={busy}>
          Make a token
        </button>
      </form>
      <ErrorLine error={error ?? loaded.error} />
    </section>
  )
}

function WebhookCard() {
  const loaded = useLoaded('webhook', (signal) => call<Webhook>('GET', '/api/v1/webhook', undefined, signal))
  const { value, again } = loaded
  const [url, setUrl] = useState<string>()
  const [secret, setSecret] = useState('')
  const [result, setResult] = useState<WebhookResult>()
  const { busy, error, run } = useAction()
  const shown = url ?? value?.url ?? ''
  const submit = (event: Event) => {
    event.preventDefault()
    setResult(undefined)
    run(async () => {
      const change = { url: shown === '' ? null : shown, ...(secret === '' ? {} : { secret }) }
      await call('PUT', '/api/v1/webhook', change)
      setUrl(undefined)
      setSecret('')
      again()
    })
  }
  return (
    <section class="card stack">
      <h2>Webhook for alerts</h2>
      <p class="soft">Told when an alert begins and when it ends. Empty: nobody is told.</p>
      <form class="form" onSubmit={submit}>
        <Field label="Address">
          <input
            type="url"
            value={shown}
            placeholder="https://…"
            onInput={({ currentTarget }) => setUrl(currentTarget.value)}
          />
        </Field>
        <Field
          label={value?.signed === true ? 'Secret that signs it (set; empty: left as it is)' : 'Secret that signs it'}
        >
          <input
            type="password"
            autocomplete="off"
            maxLength={200}
            value={secret}
            onInput={({ currentTarget }) => setSecret(currentTarget.value)}
          />
        </Field>
        <ErrorLine error={error ?? loaded.error} />
        <div class="row">
          <button type="submit" disabled={busy}>
            Set
          </button>
          <button
            type="button"
            disabled={busy || value?.url == null}
            onClick={() => run(async () => setResult(await call<WebhookResult>('POST', '/api/v1/webhook/test')))}
          >
            Send one now
          </button>
          <span role="status" class={result?.ok === false ? 'error' : ''}>
            {result !== undefined && `${result.ok ? 'Taken' : 'Not taken'}: ${result.detail}`}
          </span>
        </div>
      </form>
      {value?.last != null && (
        <p class="small soft">
          Last one {new Date(value.last.atMs).toLocaleString()}: {value.last.detail}
        </p>
      )}
    </section>
  )
}

const SERVER = {
  none: 'none is set: cameras in this network only',
  contacting: 'being contacted',
  registered: 'knows this device',
  waiting: 'does not answer; tried again soon',
} as const

function DeviceCard({ home: { status } }: { readonly home: Home }) {
  if (status === undefined) return null
  const { uid, version, p2p, commit, clock, nowMs, startedMs } = status
  return (
    <section class="card stack">
      <h2>This device</h2>
      <dl class="facts numbers">
        <dt>UID</dt>
        <dd>{uid}</dd>
        <dt>Version</dt>
        <dd>
          {version}, up {agoText(nowMs - startedMs).replace(' ago', '')}
        </dd>
        <dt>Clock</dt>
        <dd>{clock}</dd>
        <dt>P2P server</dt>
        <dd>
          {SERVER[p2p.state]}
          {p2p.problem !== null && `: ${p2p.problem.message}`}
          {p2p.nat === 'symmetric' && '. The router here gives every peer another port: cameras outside are relayed.'}
        </dd>
        <dt>Writes</dt>
        <dd>
          {commit.count === 0 || commit.p50Ms === null || commit.p99Ms === null
            ? 'none yet'
            : `${countText(commit.count, 'commit')}: half are safe within ${Math.ceil(commit.p50Ms)} ms, 99 of 100 within ${Math.ceil(commit.p99Ms)} ms`}
        </dd>
      </dl>
    </section>
  )
}
