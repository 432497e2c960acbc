/** `camera status` for a person. */
import { formatBytes, formatDuration } from './output.ts'

interface StatusAnswer {
  readonly provisioned: boolean
  readonly uid: string
  readonly name: string
  readonly storage: string | null
  readonly state: string
  readonly path?: string
  readonly seq?: { readonly captured: number; readonly acked: number; readonly lost: number }
  readonly ring?: {
    readonly card: string
    readonly problem?: string
    readonly capacityBytes: number
    readonly unackedBytes: number
    readonly oldestUnackedAgeMs: number
    readonly full: boolean
  }
  readonly encoder?: {
    readonly state: string
    readonly restarts: number
    readonly lastError?: { readonly message: string }
  }
  readonly uplink?: { readonly alarm?: { readonly code: string; readonly text: string } }
}

export function describeStatus(answer: unknown): string {
  const status = answer as StatusAnswer
  const { seq, ring, encoder, uplink } = status
  if (!status.provisioned || seq === undefined || ring === undefined || encoder === undefined) {
    return `Camera ${status.uid}\nNot set up: make a code with \`homeward storage pair\`, then \`homeward camera setup CODE\`.`
  }
  const waiting =
    ring.unackedBytes === 0
      ? 'nothing waits'
      : `${formatBytes(ring.unackedBytes)} wait, the oldest for ${formatDuration(ring.oldestUnackedAgeMs)}`
  return [
    `Camera    ${status.name || 'without a name'} (${status.uid})`,
    `Storage   ${status.storage}`,
    `Link      ${status.state}${status.path === undefined ? '' : `, path ${status.path}`}`,
    `Footage   ${seq.captured} fragments captured, ${seq.acked} ACKed, ${seq.lost} lost since the start`,
    `Card      ${ring.card}${ring.full ? ', full' : ''}, ${formatBytes(ring.capacityBytes)}, ${waiting}`,
    ...(ring.problem === undefined ? [] : [`          ${ring.problem}`]),
    `Encoder   ${encoder.state}, ${encoder.restarts} restarts`,
    ...(encoder.lastError === undefined ? [] : [`          last: ${encoder.lastError.message}`]),
    ...(uplink?.alarm === undefined ? [] : [`Alarm     the storage device keeps nothing now: ${uplink.alarm.text}`]),
  ].join('\n')
}
