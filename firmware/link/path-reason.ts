/** Why the bytes travel as they do, in a sentence for the owner, who sees it at the storage device. Pure. */
import type { LastAttempt, LinkStatus, TriedCandidate } from './link-status.ts'
import { isBetter } from './path-rank.ts'

/** Undefined while there is no path. */
export function pathReason({ path, lastAttempt }: LinkStatus): string | undefined {
  if (path === undefined || lastAttempt === undefined) return undefined
  switch (path) {
    case 'lan':
      return 'in the same network'
    case 'punched':
      return lastAttempt.search.result === 'found'
        ? 'directly through the routers of both sides; one of them gives every peer another port, which was found by a search'
        : 'directly through the routers of both sides'
    case 'relay-udp':
      return `relayed by the P2P server, because ${whyNotDirect(lastAttempt)}`
    case 'relay-tls':
      return `relayed by the P2P server over TLS, because ${whyNotUdp(lastAttempt)}`
  }
}

function whyNotDirect({ nat, search, candidates }: LastAttempt): string {
  const symmetric = [nat.camera, nat.storage].filter((kind) => kind === 'symmetric').length
  if (symmetric === 2) return 'the routers of both sides give every peer another port'
  if (symmetric === 1) {
    const whose = nat.camera === 'symmetric' ? 'camera' : 'storage device'
    return `the router of the ${whose} gives every peer another port${SEARCHES[search.result]}`
  }
  const direct = candidates.filter(({ path }) => isBetter(path, 'relay-udp'))
  const failed = direct.find(({ result }) => result === 'failed' || result === 'refused')
  if (failed !== undefined) return `no channel came of ${placeOf(failed)}, though it answered`
  return direct.length === 0
    ? 'no address of the storage device is known'
    : `the storage device does not answer at ${direct.length === 1 ? placeOf(direct[0]) : `any of ${direct.length} addresses`}`
}

const SEARCHES = {
  none: '',
  left: '',
  running: '; a search for it is under way',
  found: ', and the one that was found did not last',
  failed: ', and a search for it found none',
  refused: '; a search for it has to wait for another camera’s',
} as const satisfies Record<LastAttempt['search']['result'], string>

function whyNotUdp(attempt: LastAttempt): string {
  const relay = attempt.candidates.find(({ path }) => path === 'relay-udp')
  if (relay?.result !== 'failed' && relay?.result !== 'refused') return 'no UDP has got through yet'
  return 'no UDP gets through between this network and the P2P server, or the storage device'
}

function placeOf(tried: TriedCandidate | undefined): string {
  return tried?.address ?? 'its address'
}
