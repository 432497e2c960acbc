/** Answers of the camera agent as text for a person. */

import { errorLine } from '../wire/errors.ts'
import { natText } from './nat-text.ts'
import { formatBytes, formatDuration } from './output.ts'

interface Told {
  readonly message: string
  readonly hint?: string
}

/** What is read of `camera status`. */
export type CameraStatusAnswer = Common & (Films | { readonly encoder: null })

interface Common {
  readonly provisioned: boolean
  readonly uid: string
  readonly name: string
  readonly storage: string | null
  readonly state: string
  readonly path: string | null
  readonly lastAttempt?: null | {
    readonly candidates: readonly Tried[]
    readonly nat: { readonly camera: string; readonly storage: string }
    readonly search: { readonly result: string; readonly tookMs?: number }
    readonly why: string
  }
  readonly retryInMs?: number
  readonly problem?: Told
  readonly alarm?: { readonly code: string; readonly text: string }
}

interface Tried {
  readonly address?: string
  readonly path: string
  readonly result: string
  readonly rttMs?: number
  readonly tookMs?: number
  readonly detail?: string
}

interface Films {
  readonly seq: { readonly captured: number; readonly acked: number; readonly lost: number }
  readonly ring: {
    readonly card: string
    readonly problem?: string
    readonly capacityBytes: number
    readonly unackedBytes: number
    readonly oldestUnackedAgeMs: number
    readonly full: boolean
    readonly waitingForOthers: number
  }
  readonly encoder: {
    readonly state: string
    readonly restarts: number
    readonly lastError?: Told
  }
}

const LINKS: Readonly<Record<string, string>> = {
  idle: 'not started',
  enrolling: 'introducing itself to the storage device',
  walking: 'looking for the storage device',
  lost: 'not connected',
}

const CARDS: Readonly<Record<string, string>> = {
  ok: 'in use',
  'read-only': 'can be read but not written: recording to memory',
  failed: 'fails: recording to memory',
  gone: 'is not there: recording to memory',
  none: 'none: recording to memory',
}

export function describeStatus(answer: unknown): string {
  const status = answer as CameraStatusAnswer
  const { alarm, problem } = status
  if (!status.provisioned) {
    return `Camera ${status.uid}\nNot set up: make a code with \`homeward storage pair\`, then \`homeward camera setup CODE\`.`
  }
  const who = [
    `Camera    ${status.name || 'without a name'} (${status.uid})`,
    `Storage   ${status.storage}`,
    ...(alarm === undefined ? [] : [`Alarm     the storage device keeps nothing right now: ${alarm.text}`]),
  ]
  if (status.encoder === null) {
    return [...who, `Filming   no${problem === undefined ? '' : `: ${errorLine(problem)}`}`].join('\n')
  }
  const { seq, ring, encoder } = status
  const waiting =
    ring.unackedBytes === 0
      ? 'nothing waits'
      : `${formatBytes(ring.unackedBytes)} wait, the oldest for ${formatDuration(ring.oldestUnackedAgeMs)}`
  const retry = status.retryInMs === undefined ? '' : `, next try in ${formatDuration(status.retryInMs)}`
  return [
    ...who,
    `Link      ${LINKS[status.state] ?? status.state}${status.path === null ? '' : `, path ${status.path}`}${retry}`,
    ...more(problem && errorLine(problem)),
    ...attemptLines(status),
    `Footage   ${seq.captured} fragments captured, ${seq.acked} ACKed, ${seq.lost} lost since the start`,
    `Card      ${CARDS[ring.card] ?? ring.card}${ring.full ? ', FULL' : ''}; room for ${formatBytes(ring.capacityBytes)}, ${waiting}`,
    ...more(ring.problem),
    ...more(forOthers(ring.waitingForOthers)),
    `Encoder   ${encoder.state}, ${encoder.restarts} ${encoder.restarts === 1 ? 'restart' : 'restarts'}`,
    ...more(
      encoder.lastError &&
        (encoder.state === 'running' ? `last: ${encoder.lastError.message}` : errorLine(encoder.lastError)),
    ),
  ].join('\n')
}

/** What was tried, what the NATs are, and why it is on this path. */
function attemptLines({ lastAttempt: last, problem }: Common): string[] {
  if (last === undefined || last === null) return []
  return [
    // Why there is no path has been said.
    ...(problem === undefined ? more(last.why) : []),
    ...last.candidates.flatMap((candidate) => more(triedText(candidate))),
    ...(last.search.result === 'none' ? [] : more(searchText(last.search))),
    ...more(`NAT of the camera: ${natText(last.nat.camera)}; of the storage device: ${natText(last.nat.storage)}`),
  ]
}

function triedText({ address, path, result, rttMs, tookMs, detail }: Tried): string {
  const times = [
    ...(rttMs === undefined ? [] : [`round trip ${rttMs} ms`]),
    ...(tookMs === undefined ? [] : [`open after ${tookMs} ms`]),
  ]
  const outcome = detail === undefined ? result : `${result}, ${detail}`
  return `  ${address ?? 'relay'} (${path}): ${[outcome, ...times].join(', ')}`
}

function searchText({ result, tookMs }: { readonly result: string; readonly tookMs?: number }): string {
  return `  search for a port: ${result}${tookMs === undefined ? '' : ` after ${tookMs} ms`}`
}

function more(line: string | undefined): string[] {
  return line === undefined ? [] : [`          ${line}`]
}

function forOthers(fragments: number): string | undefined {
  if (fragments === 0) return undefined
  return `${fragments} fragments wait for another storage device; give them up with: homeward camera setup CODE --discard`
}

interface RingAnswer {
  readonly log: string
  readonly card: string
  readonly capacityBytes: number
  readonly usedBytes: number
  readonly unackedBytes: number
  readonly full: boolean
  readonly logs: readonly {
    readonly log: string
    readonly recipient: string
    readonly unacked: readonly (readonly [number, number])[]
  }[]
  readonly damage: readonly { readonly log: string; readonly first: number; readonly last: number }[]
}

export function describeRings(answer: unknown): string {
  const rings = answer as readonly RingAnswer[]
  if (rings.length === 0) return 'No ring is open: the camera is not set up, or does not film.'
  return rings.map(describeRing).join('\n')
}

function describeRing({ log, card, capacityBytes, usedBytes, unackedBytes, full, logs, damage }: RingAnswer): string {
  const where = card === 'none' ? 'Memory' : 'Card'
  return [
    `${where} (log ${log}): room for ${formatBytes(capacityBytes)}, ${formatBytes(usedBytes)} in use, ${formatBytes(unackedBytes)} wait${full ? ', FULL' : ''}`,
    ...logs.map(({ log: name, recipient, unacked }) => {
      const numbers = unacked.map(([first, last]) => (first === last ? `${first}` : `${first} to ${last}`)).join(', ')
      return `  log ${name} for ${recipient.slice(0, 7)}: ${numbers} wait`
    }),
    ...damage.map(({ log: name, first, last }) => `  log ${name}: ${first} to ${last} are damaged`),
  ].join('\n')
}
