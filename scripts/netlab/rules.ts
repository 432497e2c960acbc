/** The nftables rules of a lab, as text. Pure. */
import { deviceOf, lineOf, type NodePlan } from './topology.ts'

/**
 * What makes a namespace a home's router: source NAT towards its WAN, and in from there only what answers. It also
 * keeps silent itself: an answer to a stranger's datagram would enter it in the table of connections, under the very
 * port that the device behind would get a moment later. Nothing for a router without NAT.
 */
export function routerRules(node: NodePlan): string {
  const { forwards } = node
  if (forwards === undefined || forwards.kind === 'routed') return ''
  const wan = deviceOf(lineOf(node))
  const passing = `policy drop
    ct state established,related accept
    iifname != "${wan}" accept`
  return `
table ip nat {
  chain leaving {
    type nat hook postrouting priority srcnat
    oifname "${wan}" masquerade ${forwards.kind === 'symmetric' ? 'fully-random' : ''}
  }
}
table inet filter {
  chain through {
    type filter hook forward priority filter; ${passing}
  }
  chain itself {
    type filter hook input priority filter; ${passing}
  }
}
`
}

/**
 * What is wrong with a cable, seen from the node at its end: `from` is what the node sends, `to` what is sent to it.
 */
export interface CableFaults {
  readonly udpBlocked: boolean
  readonly cut: 'none' | 'from' | 'to'
  /** Of the packets of each direction. */
  readonly lossPercent: number
}

export const SOUND: CableFaults = { udpBlocked: false, cut: 'none', lossPercent: 0 }

/**
 * Rules for the switch, at its end of each cable, in place of all rules it had. ARP and neighbour discovery always
 * pass: else a cut in one direction would soon be one in both.
 */
export function faultRules(cables: ReadonlyMap<string, CableFaults>): string {
  const chains = [...cables].flatMap(([device, faults]) =>
    (['from', 'to'] as const).flatMap((direction) => {
      const drops = dropsOf(faults, direction)
      if (drops.length === 0) return []
      return `  chain ${device}.${direction} {
    type filter hook ${direction === 'from' ? 'ingress' : 'egress'} device "${device}" priority filter
    meta protocol arp accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    ${drops.join('\n    ')}
  }`
    }),
  )
  return ['table netdev faults', 'delete table netdev faults', 'table netdev faults {', ...chains, '}', ''].join('\n')
}

function dropsOf({ udpBlocked, cut, lossPercent }: CableFaults, direction: 'from' | 'to'): string[] {
  if (cut === direction) return ['drop']
  return [
    ...(udpBlocked ? ['meta l4proto udp drop'] : []),
    ...(lossPercent > 0 ? [`numgen random mod 100 < ${lossPercent} drop`] : []),
  ]
}
