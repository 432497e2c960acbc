import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  bypassesBacklog,
  LANE_AHEAD,
  type LaneHead,
  type LaneState,
  LIVE_BYPASS_MAX,
  pickPiece,
  pickRecord,
  RECORDS_IN_FLIGHT_MAX,
  type RecordChoice,
  type RecordState,
} from './pick.ts'

const none: LaneState = { nextBytes: undefined, ahead: 0 }
const next = (nextBytes: number, ahead = 0): LaneState => ({ nextBytes, ahead })

function state(change: Partial<RecordState> & { live?: LaneState; backlog?: LaneState } = {}): RecordState {
  const { live = none, backlog = none, ...rest } = change
  return {
    lanes: { live, backlog },
    creditBytes: 100,
    inFlightBytes: 0,
    inFlightRecords: 0,
    grant: undefined,
    needBytes: undefined,
    startsAllowed: Number.POSITIVE_INFINITY,
    notStarted: 0,
    bypassed: 0,
    ...rest,
  }
}

const wait: RecordChoice = { do: 'wait' }
const load = (lane: 'live' | 'backlog', granted = false): RecordChoice => ({ do: 'load', lane, granted })
const need = (bytes: number): RecordChoice => ({ do: 'need', bytes })

test('which record is read next', () => {
  const granted = { bytes: 500, used: false }
  const used = { bytes: 500, used: true }
  const paused = { startsAllowed: 0 }
  const table: [what: string, state: RecordState, choice: RecordChoice][] = [
    ['nothing to send', state(), wait],
    ['live alone', state({ live: next(10) }), load('live')],
    ['backlog alone', state({ backlog: next(10) }), load('backlog')],
    ['live before backlog', state({ live: next(10), backlog: next(10) }), load('live')],
    [
      'backlog while enough live is read ahead',
      state({ live: next(10, LANE_AHEAD), backlog: next(10) }),
      load('backlog'),
    ],
    ['both read ahead', state({ live: next(10, LANE_AHEAD), backlog: next(10, LANE_AHEAD) }), wait],
    ['exactly the window', state({ live: next(100) }), load('live')],
    ['no room now', state({ live: next(41), inFlightBytes: 60 }), wait],
    ['just room', state({ live: next(40), inFlightBytes: 60 }), load('live')],
    ['live waits: backlog takes no room from it', state({ live: next(41), backlog: next(1), inFlightBytes: 60 }), wait],
    ['backlog waits: live passes', state({ live: next(1), backlog: next(41), inFlightBytes: 60 }), load('live')],
    [
      'backlog waited long: live stands back',
      state({ live: next(1), backlog: next(41), inFlightBytes: 60, bypassed: LIVE_BYPASS_MAX }),
      wait,
    ],
    [
      'backlog waited long and fits',
      state({ live: next(1), backlog: next(40), inFlightBytes: 60, bypassed: LIVE_BYPASS_MAX }),
      load('backlog'),
    ],
    [
      'waited long, but nothing is left in the backlog',
      state({ live: next(1), bypassed: LIVE_BYPASS_MAX }),
      load('live'),
    ],
    ['too many small records', state({ live: next(1), inFlightRecords: RECORDS_IN_FLIGHT_MAX }), wait],
    ['larger than the window', state({ backlog: next(101) }), need(101)],
    ['asked for already', state({ backlog: next(101), needBytes: 101 }), wait],
    ['asked for less', state({ backlog: next(102), needBytes: 101 }), need(102)],
    ['asked for, the other lane goes on', state({ live: next(10), backlog: next(101), needBytes: 101 }), load('live')],
    [
      'a large live record does not stop the backlog',
      state({ live: next(101), backlog: next(5), needBytes: 101 }),
      load('backlog'),
    ],
    ['both too large: the first one decides', state({ live: next(101), backlog: next(300), needBytes: 101 }), wait],
    ['granted', state({ backlog: next(101), grant: granted, inFlightBytes: 100 }), load('backlog', true)],
    ['granted, live takes it', state({ live: next(200), backlog: next(300), grant: granted }), load('live', true)],
    ['granted too little', state({ backlog: next(501), grant: granted }), need(501)],
    ['the grant is used', state({ backlog: next(101), grant: used }), wait],
    ['the grant is used, small ones go on', state({ live: next(9), backlog: next(101), grant: used }), load('live')],
    ['a grant nobody wants', state({ grant: granted }), need(0)],
    ['a need nobody has', state({ needBytes: 101 }), need(0)],
    ['a used grant is not given up', state({ grant: used }), wait],
    ['a grant is kept while small ones go', state({ live: next(9), grant: granted }), load('live')],
    ['paused', state({ live: next(9), backlog: next(9), ...paused }), wait],
    ['paused with a grant', state({ live: next(101), grant: granted, ...paused }), need(0)],
    ['paused with a need', state({ live: next(101), needBytes: 101, ...paused }), need(0)],
    ['a trial', state({ live: next(9), startsAllowed: 1 }), load('live')],
    ['a trial is under way', state({ live: next(9), startsAllowed: 1, notStarted: 1 }), wait],
    ['a trial larger than the window', state({ live: next(101), startsAllowed: 1 }), need(101)],
    ['no credit at all', state({ live: next(9), creditBytes: 0 }), need(9)],
  ]
  for (const [what, given, choice] of table) assert.equal(pickRecord(given), choice, what)
})

test('when live makes the backlog wait', () => {
  const table: [what: string, state: RecordState, bypasses: boolean][] = [
    ['no backlog', state({ live: next(1) }), false],
    ['backlog fits too', state({ backlog: next(40), inFlightBytes: 60 }), false],
    ['backlog does not fit now', state({ backlog: next(41), inFlightBytes: 60 }), true],
    ['backlog needs a grant anyway', state({ backlog: next(101), inFlightBytes: 60 }), false],
    ['enough backlog is read ahead', state({ backlog: next(41, LANE_AHEAD), inFlightBytes: 60 }), false],
  ]
  for (const [what, given, bypasses] of table) assert.is(bypassesBacklog(given), bypasses, what)
})

test('which piece goes next', () => {
  const started: LaneHead = { ready: true, started: true, granted: false }
  const fresh: LaneHead = { ...started, started: false }
  const reading: LaneHead = { ready: false, started: false, granted: false }
  const large: LaneHead = { ...started, granted: true }
  const any = Number.POSITIVE_INFINITY
  const table: [what: string, Parameters<typeof pickPiece>[0], 'live' | 'backlog' | undefined][] = [
    ['nothing', { heads: { live: undefined, backlog: undefined }, last: 'live', startsAllowed: any }, undefined],
    ['live first', { heads: { live: fresh, backlog: started }, last: 'live', startsAllowed: any }, 'live'],
    ['live is still read', { heads: { live: reading, backlog: started }, last: 'live', startsAllowed: any }, 'backlog'],
    ['a grant takes turns', { heads: { live: started, backlog: large }, last: 'live', startsAllowed: any }, 'backlog'],
    ['turn about', { heads: { live: started, backlog: large }, last: 'backlog', startsAllowed: any }, 'live'],
    [
      'paused: what began is finished',
      { heads: { live: fresh, backlog: started }, last: 'live', startsAllowed: 0 },
      'backlog',
    ],
    ['paused: nothing begins', { heads: { live: fresh, backlog: fresh }, last: 'live', startsAllowed: 0 }, undefined],
    ['a trial', { heads: { live: undefined, backlog: fresh }, last: 'live', startsAllowed: 1 }, 'backlog'],
  ]
  for (const [what, given, lane] of table) assert.is(pickPiece(given), lane, what)
})

test.run()
