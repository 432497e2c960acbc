/** Notices that this device's network interfaces have changed: a cable, a Wi-Fi, another lease. */
import type { Clock, Timer } from '../platform/clock.ts'
import type { Interfaces } from './candidates.ts'

/** Reading the list is cheap; sooner than a person who has moved a cable begins to wonder. */
export const INTERFACES_POLL_MS = 3_000

/** Calls `changed` when addresses came or went. Returns the way to stop. */
export function watchInterfaces(read: () => Interfaces, clock: Clock, changed: () => void): () => void {
  let last = fingerprint(read())
  let timer: Timer
  const poll = () => {
    timer = clock.after(INTERFACES_POLL_MS, poll)
    const now = fingerprint(read())
    if (now === last) return
    last = now
    changed()
  }
  timer = clock.after(INTERFACES_POLL_MS, poll)
  return () => timer.cancel()
}

function fingerprint(interfaces: Interfaces): string {
  return Object.entries(interfaces)
    .flatMap(([name, infos]) => (infos ?? []).map(({ address, netmask }) => `${name} ${address} ${netmask}`))
    .sort()
    .join()
}
