/** What is to be said about a camera. Pure. */
import type { Camera, CameraState } from '../../web/api.ts'
import { codecName } from '../media/codec.ts'
import { agoText, bytesText, durationText, rateText } from '../time/text.ts'

export const STATE_WORDS: Readonly<Record<CameraState, string>> = {
  recording: 'Recording',
  silent: 'Connected, but sends nothing',
  offline: 'Offline',
  'never-seen': 'Paired, never seen yet',
  forgotten: 'Forgotten; its footage stays',
  'footage-only': 'Not paired here; its footage is on the disk',
}

const PATHS = { lan: 'LAN', punched: 'punched', 'relay-udp': 'relayed', 'relay-tls': 'relayed over TLS' } as const

export interface Fact {
  readonly name: string
  readonly text: string
  readonly bad?: boolean
}

export function pathText({ link }: Camera): string | undefined {
  if (link.path === null) return undefined
  return `${PATHS[link.path]}${link.why === null ? '' : `: ${link.why}`}`
}

export function backlogText({ card }: Camera): string | undefined {
  if (card === null) return undefined
  if (card.unackedBytes === 0) return 'nothing waits on the card'
  return `${bytesText(card.unackedBytes)} on the card, the oldest ${durationText(card.oldestUnackedAgeMs)} old`
}

/** The short list beside its picture. */
export function factsOf(camera: Camera, nowMs: number): Fact[] {
  const { link, lastFragmentMs, rates, card, stored, tracks, lagMs, clock } = camera
  const facts: Fact[] = []
  const path = pathText(camera)
  if (path !== undefined) facts.push({ name: 'Path', text: path })
  else if (link.lastSeenMs !== null) facts.push({ name: 'Last heard', text: agoText(nowMs - link.lastSeenMs) })
  if (lastFragmentMs !== null) {
    const lag = lagMs === null ? '' : `, ${lagMs < 100 ? 'at once' : durationText(lagMs)} after it was filmed`
    facts.push({ name: 'Last stored', text: `${agoText(nowMs - lastFragmentMs)}${lag}` })
  }
  const backlog = backlogText(camera)
  if (backlog !== undefined && card !== null) {
    const full = card.full ? '; the card is full, what is filmed now is lost' : ''
    const soon = card.fullInMs === null ? '' : `; full in ${durationText(card.fullInMs)}`
    facts.push({ name: 'Backlog', text: `${backlog}${full}${soon}`, bad: card.full || card.fullInMs !== null })
    const used = card.capacityBytes === 0 ? '' : `, ${bytesText(card.usedBytes)} of ${bytesText(card.capacityBytes)}`
    facts.push({ name: 'Card', text: `${card.state}${used}` })
  }
  if (camera.state === 'recording') {
    facts.push({
      name: 'Rate',
      text: `${rateText(rates.bytesPerSecond)}, ${Math.round(rates.fragmentsPerMinute)} fragments a minute`,
    })
  }
  if (stored.fragments > 0) facts.push({ name: 'On the disk', text: bytesText(stored.bytes) })
  const [video] = tracks.filter(({ kind }) => kind === 'video')
  if (video !== undefined) {
    const size = video.width === undefined ? '' : `, ${video.width} × ${video.height}`
    facts.push({ name: 'Picture', text: `${codecName(video.codec)}${size}` })
  }
  if (clock !== null && clock !== 'synchronised') facts.push({ name: 'Its clock', text: clock, bad: true })
  return facts
}
