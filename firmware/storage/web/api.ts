/**
 * The HTTP API of the storage device: every request and answer. The page imports the types, the server checks requests
 * with the schemas, and the OpenAPI document is made from them (`openapi.ts`). Paths are in `operations.ts`.
 *
 * Answers are JSON and carry all their keys, null where there is nothing to say. Times are whole milliseconds since 1970,
 * UTC; the page alone knows time zones. Errors: {@link apiError} with the HTTP status.
 *
 * What changes something needs the session cookie, the header `X-Homeward: 1` and a request of the same origin. Programs
 * that only read take a token: `Authorization: Bearer TOKEN`, or `?token=TOKEN` for players, which take nothing but a URL.
 */
import * as v from 'valibot'
import { CLOCK_QUALITIES } from '../../wire/record.ts'
import { PASSWORD_MAX_CHARACTERS, PASSWORD_MIN_CHARACTERS } from './constants.ts'
import { TIMES } from './playlist-times.ts'
import { bytes, count, decimal, durationMs, flag, ms, oneOf, orNull, text } from './shapes.ts'

/** Every answer with a status of 400 or more. `code` is stable, the wording is not. */
export const apiError = v.object({
  error: v.object({
    code: text('stable, such as SIGNED_OUT, CAMERA_UNKNOWN, SPAN_EMPTY'),
    message: text('what was wrong, and what was expected'),
    hint: v.optional(text('what to do next')),
    retryAfterMs: v.optional(durationMs('with status 429: how long to wait')),
  }),
})

// ── Signing in: /auth, the only part that needs no session ──────────────────────────────────────────────────────────

/** GET /auth/state. */
export const authState = v.object({
  state: oneOf(
    ['unclaimed', 'signed-out', 'signed-in'],
    'unclaimed: nobody has set a password yet, a claim code of `homeward storage claim` is needed',
  ),
  encrypted: flag('this connection is HTTPS'),
})

export const passwordSchema = v.pipe(
  v.string(),
  v.minLength(PASSWORD_MIN_CHARACTERS, `a password has ${PASSWORD_MIN_CHARACTERS} characters or more`),
  v.maxLength(PASSWORD_MAX_CHARACTERS, `a password has at most ${PASSWORD_MAX_CHARACTERS} characters`),
  v.description('a new password'),
)
const currentPassword = text('the password in force', PASSWORD_MAX_CHARACTERS)

/** POST /auth/claim: sets the first password and signs in. Case, spaces and dashes of the code do not matter. */
export const claimRequest = v.strictObject({
  code: text('as `homeward storage claim` prints it', 100),
  password: passwordSchema,
})
/** POST /auth/sign-in. */
export const signInRequest = v.strictObject({ password: currentPassword })
/** POST /auth/password: signs out everywhere else. */
export const passwordRequest = v.strictObject({ current: currentPassword, password: passwordSchema })

/** GET /api/v1/sessions. DELETE /api/v1/sessions ends all, this one too; DELETE /api/v1/sessions/{session} ends one. */
export const sessions = v.object({
  sessions: v.array(
    v.object({
      id: text('names the session; it is not its secret'),
      current: flag('the one that asks'),
      createdMs: ms('signed in'),
      usedMs: ms('last used, to the hour'),
      address: text('where it signed in from'),
      browser: text('as the browser calls itself'),
    }),
  ),
})

/** GET, POST /api/v1/tokens; DELETE /api/v1/tokens/{token}. A token reads, and changes nothing. */
export const tokenRequest = v.strictObject({
  name: v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(64), v.description('what it is for')),
})
const tokenFields = { id: text('names the token'), name: text('what it is for'), createdMs: ms('made') }
export const tokens = v.object({
  tokens: v.array(v.object({ ...tokenFields, usedMs: orNull(ms('last used, to the hour')) })),
})
export const newToken = v.object({ ...tokenFields, token: text('the token itself: shown this once, never again') })

// ── Alerts ───────────────────────────────────────────────────────────────────────────────────────────────────────────

export const ALERT_KINDS = [
  'nothing-stored',
  'disk-alarm',
  'disk-space',
  'ring-filling',
  'ring-full',
  'card-trouble',
  'clock-wrong',
  'server-unreachable',
  'key-not-backed-up',
] as const

export const alert = v.object({
  id: text('the same as long as it lasts: kind, and camera'),
  kind: oneOf(ALERT_KINDS, 'what is the matter'),
  severity: oneOf(['critical', 'warning', 'notice'], 'critical: footage is being lost or soon will be'),
  camera: orNull(text('id of the camera it is about')),
  message: text('for a person, such as "Front door has not stored anything for 2 minutes."'),
  hint: text('what to do next'),
  sinceMs: ms('noticed'),
})
export type Alert = v.InferOutput<typeof alert>

/** GET /api/v1/alerts: the worst first. */
export const alerts = v.object({ alerts: v.array(alert) })

/** GET, PUT /api/v1/webhook. POST /api/v1/webhook/test sends one now and answers {@link webhookResult}. */
export const webhookRequest = v.strictObject({
  url: orNull(text('http:// or https://; null: none', 2000)),
  secret: v.optional(
    orNull(text('key of the HMAC-SHA256 in the header X-Homeward-Signature; left as it is when missing', 200)),
  ),
})
export const webhook = v.object({
  url: orNull(text('where changes of alerts are sent')),
  signed: flag('a secret is set'),
  last: orNull(
    v.object({ atMs: ms('last attempt'), ok: flag('it was taken'), detail: text('status, or what failed') }),
  ),
})
export const webhookResult = v.object({ ok: flag('it was taken'), detail: text('status, or what failed') })

// ── The device ───────────────────────────────────────────────────────────────────────────────────────────────────────

const problem = v.object({ code: text('stable'), message: text('what is wrong'), hint: v.optional(text('what to do')) })

/** GET /api/v1/status. */
export const status = v.object({
  uid: text('of this storage device'),
  version: text('of the program'),
  nowMs: ms('its clock'),
  startedMs: ms('the agent was started'),
  clock: oneOf(CLOCK_QUALITIES, 'how far its clock may be trusted'),
  alarm: orNull(v.pipe(problem, v.description('why nothing is acknowledged: the cameras keep everything'))),
  p2p: v.object({
    state: oneOf(
      ['none', 'contacting', 'registered', 'waiting'],
      'none: no P2P server is set, cameras in the LAN only',
    ),
    nat: orNull(
      oneOf(['none', 'cone', 'symmetric', 'unknown'], 'what the NAT here does; symmetric: cameras outside are relayed'),
    ),
    problem: orNull(problem),
  }),
  disk: v.object({
    root: text('where the footage is'),
    totalBytes: orNull(bytes('size of the disk; null when it does not answer')),
    freeBytes: orNull(bytes('free')),
    footageBytes: bytes('footage of all cameras'),
    minFreeBytes: bytes('footage leaves this free'),
  }),
  commit: v.object({
    count: count('group commits since the start'),
    p50Ms: orNull(durationMs('from the first fragment until it is on the disk, median of the last 1000')),
    p99Ms: orNull(durationMs('the same, slowest of a hundred')),
  }),
  keyBackupMs: orNull(ms("the device's key was backed up")),
})
export type Status = v.InferOutput<typeof status>

// ── Cameras ──────────────────────────────────────────────────────────────────────────────────────────────────────────

export const CAMERA_STATES = ['recording', 'silent', 'offline', 'never-seen', 'forgotten', 'footage-only'] as const

const track = v.object({
  kind: oneOf(['video', 'audio', 'other'], 'of the track'),
  codec: text('RFC 6381, such as avc1.640028 or hvc1.1.6.L93.B0: for MediaSource.isTypeSupported'),
  width: v.optional(count('pixels')),
  height: v.optional(count('pixels')),
})

export const camera = v.object({
  id: text('UID of the camera; in paths its name or folder do as well'),
  name: text('as its owner calls it'),
  folder: text('where its files are, below the root'),
  state: oneOf(
    CAMERA_STATES,
    'recording: fragments arrive. silent: connected, nothing arrives. footage-only: not paired here, its footage is on the disk',
  ),
  enrolledMs: orNull(ms('paired')),
  forgottenMs: orNull(ms('forgotten')),
  link: v.object({
    connected: flag('a channel is open'),
    path: orNull(oneOf(['lan', 'punched', 'relay-udp', 'relay-tls'], 'how its bytes travel')),
    why: orNull(text('why this path, in words')),
    sinceMs: orNull(ms('connected')),
    lastSeenMs: orNull(ms('last heard from since the agent started')),
  }),
  clock: orNull(oneOf(CLOCK_QUALITIES, "how far the camera's clock may be trusted")),
  lastFragmentMs: orNull(ms('the newest fragment was stored, since the agent started or before')),
  lagMs: orNull(durationMs('from the end of the newest fragment until it was stored')),
  card: orNull(
    v.object({
      state: text('in use, missing, read-only, …, as the camera calls it'),
      capacityBytes: bytes('of the ring'),
      usedBytes: bytes('used'),
      unackedBytes: bytes('backlog: not on this disk yet'),
      oldestUnackedAgeMs: durationMs('age of the oldest fragment that waits'),
      full: flag('what is filmed now is lost'),
      fullInMs: orNull(durationMs('forecast, while the backlog grows')),
      asOfMs: ms('the camera said so'),
    }),
  ),
  rates: v.object({
    bytesPerSecond: decimal('received, mean of the last minute'),
    fragmentsPerMinute: decimal('received, in the last minute'),
  }),
  stored: v.object({
    fragments: count('on the disk'),
    bytes: bytes('on the disk'),
    firstMs: orNull(ms('start of the oldest footage')),
    lastMs: orNull(ms('end of the newest footage')),
  }),
  tracks: v.pipe(v.array(track), v.description('of the newest footage')),
  alerts: v.array(alert),
})
export type Camera = v.InferOutput<typeof camera>
export type CameraState = Camera['state']

/** GET /api/v1/cameras. */
export const cameras = v.object({
  cameras: v.array(camera),
  refusals: v.pipe(
    v.array(
      v.object({
        why: oneOf(['TOKEN_EXPIRED', 'TOKEN_USED'], 'what was wrong with the setup code'),
        camera: text('UID of the camera that tried'),
        name: text('what it wanted to be called'),
        atMs: ms('latest attempt'),
        attempts: count('so far'),
      }),
    ),
    v.description('cameras that tried with a setup code that was not good any more'),
  ),
})

/** PATCH /api/v1/cameras/{camera}. The folder keeps its name. */
export const renameRequest = v.strictObject({
  name: v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(64), v.description('as its owner calls it')),
})
// POST /api/v1/cameras/{camera}/forget: never answered again, its footage stays. No body; answers with the camera.

// ── Footage of a camera: /api/v1/cameras/{camera}/… ──────────────────────────────────────────────────────────────────

/** `from`, `to` and `at` are milliseconds since 1970, or ISO 8601 with a zone: 2026-05-01T12:00:00Z. */
export const spanQuery = v.object({ from: text('start', 40), to: text('end, after the start', 40) })
export const stillQuery = v.object({ at: v.optional(text('a moment; the newest footage when missing', 40)) })

export const lock = v.object({ id: text('of the lock'), fromMs: ms('start'), toMs: ms('end'), note: text('why') })

const times = v.optional(
  oneOf(
    TIMES,
    'joined: decode times go on over file edges and gaps, which all players follow. stored: as they are in the files',
  ),
)
/** GET playlist.m3u8. */
export const playlistQuery = v.object({ ...spanQuery.entries, times })
/** GET live.m3u8. A player that was told that reloads may block adds the number by itself. */
export const liveQuery = v.object({
  times,
  _HLS_msn: v.optional(v.pipe(v.string(), v.regex(/^\d{1,12}$/), v.description('answer when this segment is there'))),
})

export const SPAN_STATES = ['stored', 'on-card', 'lost', 'camera-off', 'expired'] as const

/**
 * GET timeline?from&to, at most 62 days. Spans are by start and do not overlap; where none is, nothing is known (nothing
 * was recorded). `on-card` is what the camera has and this disk has not yet.
 */
export const timeline = v.object({
  fromMs: ms('start of the span'),
  toMs: ms('end of the span'),
  nowMs: ms('the clock of the storage device'),
  spans: v.array(
    v.object({
      state: oneOf(SPAN_STATES, 'what became of this time'),
      fromMs: ms('start'),
      toMs: ms('end'),
      reason: v.optional(text('of lost and expired: ring-full, encoder-down, age, room, …')),
      note: v.optional(text('for a person')),
      fragments: v.optional(count('how many are lost, where it is known')),
    }),
  ),
  locks: v.array(lock),
  undated: v.pipe(
    v.array(
      v.object({
        boot: text('of the camera'),
        fragments: count('on the disk'),
        onCard: count('still on the card'),
        durationMs: durationMs('all together'),
        afterMs: orNull(ms('not earlier')),
        beforeMs: orNull(ms('not later')),
      }),
    ),
    v.description(
      'footage of boots that never knew the time and may fall into this span: no state of `spans` tells of it',
    ),
  ),
})
export type Timeline = v.InferOutput<typeof timeline>
export type SpanState = Timeline['spans'][number]['state']

const digits = (description: string) => v.pipe(v.string(), v.regex(/^\d{1,12}$/), v.description(description))
/** GET media/{file}, as playlists name it. */
export const mediaQuery = v.object({
  start: v.optional(digits('a fragment of the file, by its first byte')),
  at: v.optional(digits('where that one is to begin, µs: decode times of all are moved by as much')),
})

/**
 * GET playlist.m3u8?from&to&times: HLS of at most 26 hours (HTTP Live Streaming, RFC 8216): byte ranges of stored files, an
 * EXT-X-PROGRAM-DATE-TIME of its own where a file ends and where footage is missing.
 * GET live.m3u8: the newest half minute, reloads may block (_HLS_msn); set the player to one segment behind the edge.
 * GET media/{file}: the bytes, with Range. `{file}` is opaque, and so is the query that a playlist puts behind it.
 * GET still?at: an MP4 of one key frame, the last at or before that moment: give it to a <video> as a blob.
 *   Header X-Homeward-At: its time in milliseconds. 404 SPAN_EMPTY when there is none within 10 minutes before.
 * GET export.mp4?from&to: the span as one MP4; Content-Length is right, and the download is the progress.
 */

/** GET export?from&to: what export.mp4 would be, before a person starts it. 422 FORMAT_CHANGES names the two spans. */
export const exportPlan = v.object({
  bytes: bytes('of the MP4'),
  durationMs: durationMs('gaps are closed'),
  fragments: count('whole ones: the ends may lie outside of the span'),
  fileName: text('that the download gets'),
  pieces: v.array(v.object({ fromMs: ms('start'), toMs: ms('end'), atMs: durationMs('where it begins in the film') })),
  gaps: v.array(v.object({ fromMs: ms('start'), toMs: ms('end') })),
  damaged: v.array(v.object({ file: text('below the root'), why: text('it is left out') })),
})

/** GET, POST locks; DELETE locks/{lock}. What is locked is never deleted by retention. */
export const lockRequest = v.strictObject({
  fromMs: ms('start'),
  toMs: ms('end'),
  note: v.optional(text('why', 100), ''),
})
export const locks = v.object({ locks: v.array(lock) })

// ── Pairing ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** POST /api/v1/pairings: opens a window. */
export const pairRequest = v.strictObject({
  name: v.optional(v.pipe(v.string(), v.trim(), v.maxLength(64), v.description('what the camera will be called'))),
  ttlS: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(24 * 3600), v.description('seconds; 600 by default')),
  ),
})
const pairingFields = {
  id: text('names the window; it is not its secret'),
  name: orNull(text('what the camera will be called')),
  expiresMs: ms('the code is good until then'),
}
export const newPairing = v.object({
  ...pairingFields,
  setupCode: text('for the camera, also as its QR code: shown this once', 4000),
  note: orNull(text('such as: it works in this network only')),
})
/** GET /api/v1/pairings: tells when a code was used, and by which camera. */
export const pairings = v.object({
  pairings: v.array(
    v.object({
      ...pairingFields,
      state: oneOf(['open', 'used', 'expired'], 'of the window'),
      camera: orNull(text('id of the camera that used it')),
    }),
  ),
})

/** POST /api/v1/key-backup: for `homeward storage key import`. Takes about a second. */
export const keyBackupRequest = v.strictObject({
  password: currentPassword,
  passphrase: v.pipe(v.string(), v.minLength(8), v.maxLength(256), v.description('seals the copy')),
})
export const keyBackup = v.object({
  backup: text('some lines of text', 4000),
  fileName: text('for a download'),
})

// ── Storage and retention ────────────────────────────────────────────────────────────────────────────────────────────

const limits = {
  maxDays: orNull(v.pipe(v.number(), v.minValue(1 / 24), v.description('older footage is deleted; null: no limit'))),
  maxBytes: orNull(v.pipe(bytes('the oldest footage above it is deleted; null: no limit'), v.minValue(1))),
}
/** PUT /api/v1/cameras/{camera}/retention. */
export const retentionRequest = v.strictObject(limits)

/** GET /api/v1/storage. */
export const storage = v.object({
  disk: status.entries.disk,
  bytesPerDay: decimal('all cameras together, measured over the last days'),
  fullInMs: orNull(durationMs('forecast: the disk is full and old footage goes for new; 0: so already; null: never')),
  ageHeld: orNull(text('why nothing is deleted for its age right now')),
  trouble: orNull(text('what keeps footage from being deleted')),
  deleted: v.object({ files: count('since the start of the agent'), bytes: bytes('since the start of the agent') }),
  cameras: v.array(
    v.object({
      id: text('of the camera'),
      bytes: bytes('on the disk'),
      locks: count('locked spans'),
      bytesPerDay: orNull(decimal('measured over the last days; null when there is too little to tell')),
      firstMs: orNull(ms('start of the oldest footage')),
      ...limits,
      ownLimits: flag('false: the limits are those for every camera'),
      keepsDays: orNull(decimal('forecast: how far back its footage will reach')),
      limitedBy: orNull(oneOf(['days', 'bytes', 'disk'], 'what will make its old footage go')),
    }),
  ),
})

// ── Events ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * GET /api/v1/events: Server-Sent Events. Each has one of these names and its shape as data; the first of status, cameras
 * and alerts come at once, later ones when they change, at most one of a kind each second.
 */
export const EVENTS = {
  status,
  cameras,
  alerts,
  pairings,
  /** Footage became durable: the playlist has it now. Times of the newest fragment. */
  stored: v.object({ camera: text('id'), fromMs: ms('start'), toMs: ms('end') }),
} as const
export type EventName = keyof typeof EVENTS
export type EventData<Name extends EventName> = v.InferOutput<(typeof EVENTS)[Name]>

export type ApiError = v.InferOutput<typeof apiError>
export type AuthState = v.InferOutput<typeof authState>
export type Sessions = v.InferOutput<typeof sessions>
export type Tokens = v.InferOutput<typeof tokens>
export type NewToken = v.InferOutput<typeof newToken>
export type Alerts = v.InferOutput<typeof alerts>
export type Webhook = v.InferOutput<typeof webhook>
export type WebhookResult = v.InferOutput<typeof webhookResult>
export type Cameras = v.InferOutput<typeof cameras>
export type ExportPlan = v.InferOutput<typeof exportPlan>
export type Lock = v.InferOutput<typeof lock>
export type Locks = v.InferOutput<typeof locks>
export type NewPairing = v.InferOutput<typeof newPairing>
export type Pairings = v.InferOutput<typeof pairings>
export type KeyBackup = v.InferOutput<typeof keyBackup>
export type Storage = v.InferOutput<typeof storage>
