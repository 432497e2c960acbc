/**
 * Which names in a Host header are this device's. A page of a stranger may point its own name at an address in this network
 * (DNS rebinding); the browser then sends that name, and gets nothing. Pure.
 */
import { isIP } from 'node:net'

/** Names that no one outside can register or resolve. */
const OWN_SUFFIXES = ['.local', '.localhost', '.home.arpa', '.internal', '.lan']

/** `names`: what the owner calls it besides, without a port. A name of a single label is never one of the internet. */
export function isOwnHost(header: string | undefined, names: readonly string[]): boolean {
  const host = hostOf(header)
  if (host === undefined) return false
  if (isIP(host) !== 0 || !host.includes('.')) return true
  return OWN_SUFFIXES.some((suffix) => host.endsWith(suffix)) || names.some((name) => name.toLowerCase() === host)
}

/** `[::1]:7480` → `::1`; lower case, no closing dot; undefined when it is no Host header. */
export function hostOf(header: string | undefined): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(header ?? '')
  const host = match?.[1] ?? match?.[2]
  return host?.toLowerCase().replace(/\.$/, '')
}

/** True when a request that changes something comes from a page of this very origin, or from no page at all. */
export function isSameOrigin(headers: {
  readonly host?: string | undefined
  readonly origin?: string | undefined
  readonly 'sec-fetch-site'?: string | string[] | undefined
}): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false
  if (headers.origin === undefined) return true
  try {
    return new URL(headers.origin).host.toLowerCase() === headers.host?.toLowerCase()
  } catch {
    return false
  }
}
