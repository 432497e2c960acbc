/** What is worth an alert, and what is not: one row of the table each. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { AlertBook, type CameraLook, findAlerts, type Look, QUIET_MS } from './alerts.ts'
import type { Camera, Status } from './api.ts'

const STATUS: Status = {
  ...{ uid: 'U', version: '1', nowMs: 0, startedMs: 0, clock: 'synchronised', alarm: null, keyBackupMs: 1 },
  p2p: { state: 'registered', nat: 'cone', problem: null },
  disk: { root: '/disk', totalBytes: 1000, freeBytes: 500, footageBytes: 0, minFreeBytes: 100 },
  commit: { count: 0, p50Ms: null, p99Ms: null },
}
const CARD: NonNullable<Camera['card']> = {
  ...{ state: 'ok', capacityBytes: 1000, usedBytes: 900, unackedBytes: 10, oldestUnackedAgeMs: 1000, full: false },
  ...{ fullInMs: null, asOfMs: 0 },
}
const CAMERA: CameraLook = {
  ...{ id: 'C', name: 'Front door', folder: 'Front-door', state: 'recording', enrolledMs: 1, forgottenMs: null },
  link: { connected: true, path: 'lan', why: null, sinceMs: 1, lastSeenMs: 1 },
  ...{ clock: 'synchronised', lastFragmentMs: 1, lagMs: 1, card: CARD, tracks: [], quietMs: 1000 },
  rates: { bytesPerSecond: 1, fragmentsPerMinute: 60 },
  stored: { fragments: 1, bytes: 1, firstMs: 1, lastMs: 1 },
}

interface Row {
  readonly what: string
  readonly status?: Partial<Status>
  readonly camera?: Partial<CameraLook>
  readonly upMs?: number
  /** `kind severity` of each. */
  readonly expected: readonly string[]
  readonly message?: RegExp
}

const problem = { code: 'DISK_FULL', message: 'no room' }
const ROWS: readonly Row[] = [
  { what: 'all is well', expected: [] },
  { what: 'nothing for almost two minutes', camera: { quietMs: QUIET_MS - 1 }, expected: [] },
  {
    ...{ what: 'nothing for two minutes', camera: { quietMs: QUIET_MS }, expected: ['nothing-stored critical'] },
    message: /^Front door has not stored anything for 2 minutes\.$/,
  },
  {
    ...{ what: 'nothing for three days', camera: { quietMs: 3 * 86_400_000 }, expected: ['nothing-stored critical'] },
    message: /for 3 days\.$/,
  },
  {
    ...{ what: 'the disk takes nothing: the cameras are not to blame', camera: { quietMs: QUIET_MS } },
    ...{ status: { alarm: problem }, expected: ['disk-alarm critical'], message: /no room\.$/ },
  },
  { what: 'a forgotten camera is silent', camera: { state: 'forgotten', quietMs: QUIET_MS }, expected: [] },
  { what: 'one that only left footage too', camera: { state: 'footage-only', quietMs: QUIET_MS }, expected: [] },
  {
    what: 'the disk does not answer',
    status: { disk: { ...STATUS.disk, freeBytes: null } },
    expected: ['disk-space critical'],
  },
  { what: 'too little is free', status: { disk: { ...STATUS.disk, freeBytes: 99 } }, expected: ['disk-space warning'] },
  { what: 'a clock that was never set', status: { clock: 'none' }, expected: ['clock-wrong warning'] },
  { what: 'no P2P server is set', status: { p2p: { state: 'none', nat: null, problem: null } }, expected: [] },
  {
    ...{ what: 'the P2P server is late, just after the start', upMs: 1000 },
    ...{ status: { p2p: { state: 'waiting', nat: null, problem: null } }, expected: [] },
  },
  {
    ...{ what: 'the P2P server does not answer', status: { p2p: { state: 'waiting', nat: null, problem: null } } },
    expected: ['server-unreachable warning'],
  },
  { what: 'no copy of the key', status: { keyBackupMs: null }, expected: ['key-not-backed-up notice'] },
  { what: 'no copy, and no camera either', status: { keyBackupMs: null }, camera: { enrolledMs: null }, expected: [] },
  {
    what: 'half of the card waits',
    camera: { card: { ...CARD, unackedBytes: 500 } },
    expected: ['ring-filling warning'],
    message: /50 %/,
  },
  { what: 'almost half of it', camera: { card: { ...CARD, unackedBytes: 499 } }, expected: [] },
  {
    ...{ what: 'full in five hours', camera: { card: { ...CARD, fullInMs: 5 * 3_600_000 } } },
    ...{ expected: ['ring-filling warning'], message: /full in 5 hours/ },
  },
  { what: 'full in a day', camera: { card: { ...CARD, fullInMs: 86_400_000 } }, expected: [] },
  {
    what: 'the card is full',
    camera: { card: { ...CARD, unackedBytes: 1000, full: true } },
    expected: ['ring-full critical'],
  },
  { what: 'a card without any size', camera: { card: { ...CARD, capacityBytes: 0, unackedBytes: 0 } }, expected: [] },
  { what: 'a card that failed', camera: { card: { ...CARD, state: 'failed' } }, expected: ['card-trouble warning'] },
  { what: 'a camera without a clock', camera: { clock: 'none' }, expected: ['clock-wrong notice'] },
  {
    ...{
      what: 'the worst comes first',
      status: { keyBackupMs: null, clock: 'none' as const },
      camera: { quietMs: QUIET_MS },
    },
    expected: ['nothing-stored critical', 'clock-wrong warning', 'key-not-backed-up notice'],
  },
]

for (const { what, status = {}, camera = {}, upMs = 600_000, expected, message } of ROWS) {
  test(what, () => {
    const look: Look = { status: { ...STATUS, ...status }, cameras: [{ ...CAMERA, ...camera }], upMs }
    const found = findAlerts(look)
    assert.equal(
      found.map(({ kind, severity }) => `${kind} ${severity}`),
      expected,
    )
    if (message !== undefined) assert.match(found[0]?.message ?? '', message)
    for (const { message: text, hint } of found) assert.ok(text.endsWith('.') && hint.endsWith('.'), `${text} ${hint}`)
  })
}

test('an alert keeps the moment it was noticed; what comes and goes is told once', () => {
  const book = new AlertBook()
  const quiet = findAlerts({ status: STATUS, cameras: [{ ...CAMERA, quietMs: QUIET_MS }], upMs: 1 })
  assert.equal([book.update(quiet, 10).raised.length, book.update(quiet, 20).raised.length], [1, 0])
  assert.is(book.alerts[0]?.sinceMs, 10)
  const { raised, cleared } = book.update([], 30)
  assert.equal([raised.length, cleared.length, book.alerts.length], [0, 1, 0])
})

test.run()
