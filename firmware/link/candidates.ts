/** Addresses under which other devices may reach this one, from its own interfaces. Pure. */
import type { NetworkInterfaceInfo } from 'node:os'
import { MAX_CANDIDATES } from '../wire/signal.ts'
import { type Address, addressScope, canonicalAddress } from './address.ts'

/** As `os.networkInterfaces()` gives them: only interfaces that are up, with their addresses. */
export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>

export interface CandidateOptions {
  /** Loopback addresses as well, behind all others: for several devices on one machine. */
  readonly loopback?: boolean
}

/**
 * Interfaces that software makes: container bridges, virtual machines, VPNs. Another device rarely reaches them and they
 * often exist on many machines with the same address, so they come last; but they are tried, for nobody can be sure.
 */
const VIRTUAL =
  /^(docker|br-|veth|virbr|vmnet|vboxnet|vnet|lxc|lxdbr|podman|cni|flannel|cali|kube|tun|tap|wg|tailscale|zt|utun|ppp|dummy|ifb)/

/**
 * Candidates for a port bound at `bound`, best first: private IPv4, other IPv4, global IPv6, unique local IPv6, then the
 * same of virtual interfaces. A port bound to one address has that one only. Link-local addresses need a zone, which
 * means nothing to a peer, and are left out. At most MAX_CANDIDATES, so a machine full of bridges drops bridges first.
 */
export function localCandidates(interfaces: Interfaces, bound: Address, options: CandidateOptions = {}): Address[] {
  const ranked = new Map<string, { address: Address; rank: number }>()
  for (const [name, infos = []] of Object.entries(interfaces)) {
    for (const info of infos ?? []) {
      const address = canonicalAddress(info.address, bound.port)
      if (address === undefined || !isBoundTo(bound.host, address.host)) continue
      const rank = rankOf(name, address.host, info.internal, options.loopback === true)
      if (rank === undefined) continue
      const known = ranked.get(address.host)
      if (known === undefined || rank < known.rank) ranked.set(address.host, { address, rank })
    }
  }
  return [...ranked.values()]
    .sort((a, b) => a.rank - b.rank)
    .slice(0, MAX_CANDIDATES)
    .map(({ address }) => address)
}

/** Every address of this device, without ports. */
export function ownHosts(interfaces: Interfaces): string[] {
  return Object.values(interfaces).flatMap((infos = []) =>
    (infos ?? []).flatMap(({ address }) => canonicalAddress(address, 1)?.host ?? []),
  )
}

function isBoundTo(bound: string, host: string): boolean {
  if (bound === '::') return true
  if (bound === '0.0.0.0') return !host.includes(':')
  return bound === host
}

/** Smaller is better; undefined: not to be used. */
function rankOf(name: string, host: string, internal: boolean, loopback: boolean): number | undefined {
  const scope = addressScope(host)
  if (internal || scope === 'loopback') return loopback && scope === 'loopback' && isUnicast(host) ? 200 : undefined
  if (scope === 'link-local' || !isUnicast(host)) return undefined
  const kind = host.includes(':') ? (scope === 'public' ? 2 : 3) : scope === 'private' ? 0 : 1
  return VIRTUAL.test(name) ? 100 + kind : kind
}

/** Neither unspecified, nor multicast, nor the class E rest of IPv4. */
function isUnicast(host: string): boolean {
  if (host.includes(':')) return host !== '::' && !host.startsWith('ff')
  const first = Number(host.split('.')[0])
  return first > 0 && first < 224
}
