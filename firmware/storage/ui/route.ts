/** Which view the address names: `#/`, `#/camera/ID?at=MS`, `#/pair`, `#/storage`, `#/settings`. */
import { useEffect, useState } from 'preact/hooks'

export type Route =
  | { readonly view: 'cameras' | 'pair' | 'storage' | 'settings' }
  | { readonly view: 'camera'; readonly id: string; readonly atMs: number | undefined }

/** Pure. */
export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?')
  const [view, id] = path.split('/')
  if (view === 'camera' && id !== undefined && id !== '') {
    const at = Number(new URLSearchParams(query).get('at') ?? Number.NaN)
    return { view, id: decodeURIComponent(id), atMs: Number.isFinite(at) ? at : undefined }
  }
  return view === 'pair' || view === 'storage' || view === 'settings' ? { view } : { view: 'cameras' }
}

export const cameraRoute = (id: string): string => `#/camera/${encodeURIComponent(id)}`

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parseRoute(location.hash))
  useEffect(() => {
    const onChange = () => setRoute(parseRoute(location.hash))
    window.addEventListener('hashchange', onChange)
    // It may have changed since it was first read.
    onChange()
    return () => window.removeEventListener('hashchange', onChange)
  }, [])
  return route
}
