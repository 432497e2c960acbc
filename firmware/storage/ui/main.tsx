/** The page: who is in, and which view is shown. */
import { render } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { AuthState } from '../web/api.ts'
import { useHome } from './hooks.ts'
import { call, onSignedOut } from './net/api.ts'
import { type Home, HomeFeed } from './net/events.ts'
import { type Route, useRoute } from './route.ts'
import './style.css'
import { Alerts } from './views/alerts.tsx'
import { CameraView } from './views/camera.tsx'
import { CamerasView } from './views/cameras.tsx'
import { PairView } from './views/pair.tsx'
import { ErrorLine } from './views/parts.tsx'
import { SettingsView } from './views/settings.tsx'
import { SignIn } from './views/sign-in.tsx'
import { StorageView } from './views/storage.tsx'

const ICON = new URL('./icon.svg', import.meta.url).href
const feed = new HomeFeed()

function Page() {
  const [auth, setAuth] = useState<AuthState>()
  const [error, setError] = useState<unknown>()
  const [round, setRound] = useState(0)
  useEffect(() => {
    call<AuthState>('GET', '/auth/state').then((state) => {
      setError(undefined)
      setAuth(state)
    }, setError)
  }, [round])
  useEffect(() => {
    if (auth?.state !== 'signed-in') return
    feed.start()
    const stop = onSignedOut(() => setAuth({ ...auth, state: 'signed-out' }))
    return () => {
      stop()
      feed.close()
    }
  }, [auth])
  if (auth === undefined) {
    return (
      <main>
        <ErrorLine error={error} />
        {error !== undefined && (
          <p>
            <button type="button" onClick={() => setRound(round + 1)}>
              Try again
            </button>
          </p>
        )}
      </main>
    )
  }
  if (auth.state !== 'signed-in') return <SignIn auth={auth} icon={ICON} onChange={setAuth} />
  return <SignedIn onSignedOut={() => setAuth({ ...auth, state: 'signed-out' })} />
}

/** The window's name says where one is. */
function useTitle(route: Route, home: Home): void {
  const camera = route.view === 'camera' ? home.cameras?.cameras.find(({ id }) => id === route.id)?.name : undefined
  const view = VIEWS.find((one) => one.view === route.view)?.name ?? (route.view === 'pair' ? 'Add a camera' : camera)
  useEffect(() => {
    document.title = view === undefined ? 'Homeward' : `${view} · Homeward`
  }, [view])
}

const VIEWS = [
  { view: 'cameras', href: '#/', name: 'Cameras' },
  { view: 'storage', href: '#/storage', name: 'Storage' },
  { view: 'settings', href: '#/settings', name: 'Settings' },
] as const

function SignedIn({ onSignedOut }: { readonly onSignedOut: () => void }) {
  const route = useRoute()
  const home = useHome(feed)
  useTitle(route, home)
  const section = route.view === 'camera' || route.view === 'pair' ? 'cameras' : route.view
  return (
    <>
      <header class="top">
        <a class="home" href="#/" aria-label="Homeward: all cameras">
          <img src={ICON} alt="" />
          <span>Homeward</span>
        </a>
        <nav aria-label="Views">
          {VIEWS.map(({ view, href, name }) => (
            <a key={view} href={href} aria-current={section === view ? 'page' : undefined}>
              {name}
            </a>
          ))}
        </nav>
      </header>
      <main>
        {!home.connected && (
          <div class="alert critical" role="status">
            <span class="mark">!</span>
            <span>The storage device does not answer. What you see may be old; the page goes on trying.</span>
          </div>
        )}
        <Alerts home={home} feed={feed} camera={route.view === 'camera' ? route.id : undefined} />
        {route.view === 'cameras' && <CamerasView feed={feed} home={home} />}
        {route.view === 'camera' && (
          <CameraView key={route.id} feed={feed} home={home} id={route.id} atMs={route.atMs} />
        )}
        {route.view === 'pair' && <PairView feed={feed} home={home} />}
        {route.view === 'storage' && <StorageView home={home} />}
        {route.view === 'settings' && <SettingsView home={home} onSignedOut={onSignedOut} />}
      </main>
    </>
  )
}

const place = document.getElementById('page')
if (place !== null) render(<Page />, place)
