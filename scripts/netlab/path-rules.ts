/** Rules that close the direct way between two nodes, and leave everything else open: their ways to the server, too. */
import type { Lab } from './lab.ts'
import { runToolIn } from './tool.ts'
import { hostOf, lineOf, nodeNamed } from './topology.ts'

const TABLE = 'inet path'

/**
 * `silently`: as on a path that died. `refused`: as by a firewall that says so, which ends a TCP connection at once.
 */
export type Closing = 'silently' | 'refused'

/** Nothing of `from` arrives at `to` any more; each as the other sees it, behind a NAT its router. */
export function closePath(lab: Lab, from: string, to: string, how: Closing = 'silently'): void {
  const plan = nodeNamed(lab.topology, from)
  const source = hostOf(plan, lineOf(plan))
  const family = source.includes(':') ? 'ip6' : 'ip'
  const packets = `${family} saddr ${source}`
  const verdicts =
    how === 'silently'
      ? `${packets} drop`
      : `${packets} meta l4proto tcp reject with tcp reset\n    ${packets} meta l4proto udp reject`
  // Before anything is tracked or translated; a refusal is possible later only.
  const hook = how === 'silently' ? 'prerouting priority raw' : 'input priority filter'
  const rules = `table ${TABLE}
delete table ${TABLE}
table ${TABLE} {
  chain closed {
    type filter hook ${hook}
    ${verdicts}
  }
}
`
  runToolIn(lab.namespace(to), 'nft', ['-f', '-'], rules)
}

/** Ends what `closePath` began at this node; without one, nothing. */
export function openPath(lab: Lab, to: string): void {
  runToolIn(lab.namespace(to), 'nft', ['-f', '-'], `table ${TABLE}\ndelete table ${TABLE}\n`)
}
