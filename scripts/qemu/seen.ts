/** What a camera's serial console says of itself, as far as the tests of images read it. Pure. */

export interface Seen {
  /** Fragments since the agent's start. */
  readonly captured: number
  readonly acked: number
  readonly lost: number
  /** Undefined while there is no connection. */
  readonly path: string | undefined
  readonly cardInUse: boolean
  /** How long the oldest waits that is not safe yet; 0 when nothing does. */
  readonly oldestS: number
}

const UNITS_S: Readonly<Record<string, number>> = { d: 86_400, h: 3600, min: 60, s: 1 }

/** Undefined when the camera does not film. */
export function readStatus(lines: readonly string[]): Seen | undefined {
  const text = lines.join('\n')
  const counts = /^Footage +(\d+) fragments captured, (\d+) ACKed, (\d+) lost/m.exec(text)
  if (counts === null) return undefined
  const oldest = /the oldest for (.+)$/m.exec(text)?.[1] ?? ''
  return {
    captured: Number(counts[1]),
    acked: Number(counts[2]),
    lost: Number(counts[3]),
    path: /^Link .*, path ([a-z-]+)/m.exec(text)?.[1],
    cardInUse: /^Card +in use/m.test(text),
    oldestS: [...oldest.matchAll(/(\d+) (d|h|min|s)/g)].reduce(
      (sum, [, count, unit = '']) => sum + Number(count) * (UNITS_S[unit] ?? 0),
      0,
    ),
  }
}
