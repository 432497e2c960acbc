/**
 * What the camera does next. Two lanes: live (captured since the channel opened) and backlog (everything before, oldest
 * first). Live goes first, record by record and piece by piece. Pure.
 */

export const LANES = ['live', 'backlog'] as const
export type Lane = (typeof LANES)[number]

/**
 * Records read ahead in each lane: one being sent and some more, so that a card that is slow once does not show on the
 * wire. The memory for them is bounded by the credit, which counts a record from the moment it is chosen.
 */
export const LANE_AHEAD = 4

/** Gap records are tiny: without a bound thousands of them would fit the window. */
export const RECORDS_IN_FLIGHT_MAX = 256

/** A backlog record that fits the window, but never right now, lets this many live records pass, then it is its turn. */
export const LIVE_BYPASS_MAX = 8

export interface LaneState {
  /** Size of the lane's next record; undefined when there is none. */
  readonly nextBytes: number | undefined
  /** Records of the lane that are read or being read, and not wholly sent. */
  readonly ahead: number
}

export interface RecordState {
  readonly lanes: Readonly<Record<Lane, LaneState>>
  readonly creditBytes: number
  /** Of the window: records under a grant are not in here. */
  readonly inFlightBytes: number
  readonly inFlightRecords: number
  readonly grant: { readonly bytes: number; readonly used: boolean } | undefined
  /** The size asked for, while its grant has not come. */
  readonly needBytes: number | undefined
  /** Transfers that may still begin: Infinity, or few while the storage device is in trouble. */
  readonly startsAllowed: number
  /** Records ahead that have not begun. */
  readonly notStarted: number
  /** Live records read since a backlog record began to wait for room. */
  readonly bypassed: number
}

export type RecordChoice =
  | { readonly do: 'load'; readonly lane: Lane; readonly granted: boolean }
  /** Ask for a grant of this size; 0 gives up the one asked for or granted. */
  | { readonly do: 'need'; readonly bytes: number }
  | { readonly do: 'wait' }

/** Which record to read from its ring next. */
export function pickRecord(state: RecordState): RecordChoice {
  const { creditBytes, grant, needBytes } = state
  if (state.notStarted >= state.startsAllowed) return state.startsAllowed === 0 ? withdraw(state) : { do: 'wait' }
  let wantsGrant = false
  for (const lane of state.bypassed >= LIVE_BYPASS_MAX ? LANES.toReversed() : LANES) {
    const { nextBytes, ahead } = state.lanes[lane]
    if (nextBytes === undefined || ahead >= LANE_AHEAD) continue
    if (state.inFlightRecords >= RECORDS_IN_FLIGHT_MAX) return { do: 'wait' }
    if (nextBytes <= creditBytes) {
      if (state.inFlightBytes + nextBytes <= creditBytes) return { do: 'load', lane, granted: false }
      // The other lane would only take the room this record waits for.
      return { do: 'wait' }
    }
    const first = !wantsGrant
    wantsGrant = true
    if (grant?.used) continue
    if (grant !== undefined && grant.bytes >= nextBytes) return { do: 'load', lane, granted: true }
    if (first && nextBytes > Math.max(needBytes ?? 0, grant?.bytes ?? 0)) return { do: 'need', bytes: nextBytes }
  }
  return wantsGrant ? { do: 'wait' } : withdraw(state)
}

function withdraw({ grant, needBytes }: RecordState): RecordChoice {
  return needBytes !== undefined || grant?.used === false ? { do: 'need', bytes: 0 } : { do: 'wait' }
}

/** True when reading a live record now makes a backlog record wait that would fit the window. */
export function bypassesBacklog(state: RecordState): boolean {
  const { nextBytes, ahead } = state.lanes.backlog
  if (nextBytes === undefined || ahead >= LANE_AHEAD || nextBytes > state.creditBytes) return false
  return state.inFlightBytes + nextBytes > state.creditBytes
}

export interface LaneHead {
  /** Its bytes are in memory. */
  readonly ready: boolean
  readonly started: boolean
  readonly granted: boolean
}

export interface PieceState {
  readonly heads: Readonly<Record<Lane, LaneHead | undefined>>
  /** The lane of the piece sent before. */
  readonly last: Lane
  readonly startsAllowed: number
}

/** The lane whose piece goes next; undefined when none can. */
export function pickPiece({ heads, last, startsAllowed }: PieceState): Lane | undefined {
  const can = (head: LaneHead | undefined) => head?.ready === true && (head.started || startsAllowed > 0)
  const live = can(heads.live)
  const backlog = can(heads.backlog)
  // Other cameras wait for what a grant holds: a granted backlog record takes turns instead of standing back.
  if (live && backlog) return heads.backlog?.granted === true && last === 'live' ? 'backlog' : 'live'
  if (live) return 'live'
  return backlog ? 'backlog' : undefined
}
