/** Whether every frame that the fake encoder numbered is accounted for: on the disk once, or in a gap of the ledger. Pure. */
import type { StoredFrame, VerifyAnswer } from '../../firmware/cli/test-home.ts'

/** Entries that stand for time without a picture: nothing was captured, so no frame is missing for them. */
const WITHOUT_FRAMES: readonly string[] = ['camera-off', 'encoder-down']

/** One life of the camera: from a start of its program to its end. */
export interface CameraLife {
  /** Fragments it had captured when it was last asked. */
  readonly fragments: number
  /** It was killed: what it captured after that is there as well, or was not on the card yet. */
  readonly killed: boolean
}

export interface Account {
  /** Earlier footage first. */
  readonly frames: readonly StoredFrame[]
  readonly gaps: VerifyAnswer['gaps']
  /** Frames of a fragment. */
  readonly gop: number
  /** In order. */
  readonly lives: readonly CameraLife[]
  /** Why fragments of it may be missing. */
  readonly reasons: readonly string[]
  /** Frames that a killed camera can have captured after it was last asked. */
  readonly unseenMax: number
}

/** What is wrong; empty when each frame is in one place. */
export function accountFaults({ frames, gaps, gop, lives, reasons, unseenMax }: Account): string[] {
  const faults: string[] = []
  const runs = new Map<string, number[]>()
  for (const { runId, frame } of frames) runs.set(runId, [...(runs.get(runId) ?? []), frame])
  if (runs.size !== lives.length) faults.push(`${runs.size} runs of the encoder are stored, expected ${lives.length}`)
  let missing = 0
  for (const [at, numbers] of [...runs.values()].entries()) {
    const { fragments, killed } = lives[at] ?? { fragments: 0, killed: false }
    const most = fragments * gop
    const found = new Set(numbers)
    if (found.size !== numbers.length) faults.push(`run ${at}: ${numbers.length - found.size} frames are stored twice`)
    const end = 1 + numbers.reduce((high, frame) => Math.max(high, frame), -1)
    let lost = 0
    for (let first = 0; first < end; first += gop) {
      const there = Array.from({ length: Math.min(gop, end - first) }, (_, frame) => found.has(first + frame))
      if (there.every((is) => !is)) lost += 1
      else if (there.includes(false)) faults.push(`run ${at}: the fragment of frame ${first} is stored in part`)
    }
    missing += lost
    const captured = end - lost * gop
    // The last fragment of a run that was stopped may be a short one.
    if (captured <= most - gop || (killed && captured < most)) {
      faults.push(`run ${at}: ${captured} frames are stored of ${fragments} fragments that were on the card`)
    }
    const beyond = killed ? unseenMax : 0
    if (captured > most + beyond) faults.push(`run ${at}: ${captured} frames are stored, ${most} were captured`)
  }
  const hidden = gaps.filter(({ reason }) => !WITHOUT_FRAMES.includes(reason))
  for (const { reason, first, last } of hidden) {
    if (!reasons.includes(reason))
      faults.push(`${first} to ${last} are lost, for a reason that was not there: ${reason}`)
  }
  const ledgered = hidden.reduce((sum, { first, last }) => sum + last - first + 1, 0)
  if (ledgered !== missing) faults.push(`${missing} fragments are missing, ${ledgered} are in the ledger`)
  return faults
}
