/**
 * The one error class of the project. Codes are stable: they travel on the wire, stand in `--json` answers and in the
 * ledger, and tests assert on them. The message says what was wrong and what was expected, the hint what to do next.
 */

/** code → may the same thing work when simply tried again later? */
const CODES = {
  // Bad input: nothing changes until a person changes it.
  USAGE: false,
  CONFIG_INVALID: false,
  UID_INVALID: false,
  SETUP_CODE_INVALID: false,
  KEY_BACKUP_INVALID: false,
  SPAN_EMPTY: false,
  CAMERA_UNKNOWN: false,
  LOCK_UNKNOWN: false,
  FORMAT_CHANGES: false,

  // What came over the wire or off a disk is not what it must be.
  FRAME_VERSION: false,
  FRAME_TOO_LONG: false,
  FRAME_TRUNCATED: false,
  FRAME_MALFORMED: false,
  RECORD_MALFORMED: false,
  RECORD_DAMAGED: false,
  RECORD_FORGED: false,
  RECORD_MISADDRESSED: false,
  MEDIA_MALFORMED: false,
  FRAGMENT_TOO_LONG: false,
  NAME_CONFLICT: false,

  // Pairing and permission.
  TOKEN_EXPIRED: false,
  TOKEN_USED: false,
  NOT_PAIRED: false,
  NOT_PROVISIONED: false,
  RECORDS_WAITING: false,
  ALREADY_CLAIMED: false,
  CLAIM_CODE_WRONG: false,
  PASSWORD_WRONG: false,
  SIGNED_OUT: false,
  NOT_ALLOWED: false,
  NOT_FOUND: false,
  TOO_MANY: true,

  // Reaching the other side.
  SERVER_UNREACHABLE: true,
  STORAGE_UNREACHABLE: true,
  CHANNEL_LOST: true,
  TIMED_OUT: true,
  AGENT_NOT_RUNNING: true,
  AGENT_RUNNING: true,
  ADDRESS_IN_USE: true,

  // The encoder.
  FFMPEG_MISSING: false,
  SOURCE_MISSING: true,
  SOURCE_UNREADABLE: true,
  ENCODER_ENDED: true,

  // Card and disk.
  RING_UNMARKED: false,
  RING_MARKED: false,
  RING_FOREIGN: false,
  RING_FULL: true,
  RING_FAILED: true,
  DISK_FULL: true,
  DISK_READ_ONLY: true,
  DISK_MISSING: true,
  DISK_WRONG: false,
  DISK_FAILED: true,
  INDEX_DAMAGED: false,
  STATE_DAMAGED: false,

  CANCELLED: false,
  INTERNAL: false,
} as const

export type ErrorCode = keyof typeof CODES

export const ERROR_CODES = Object.keys(CODES) as readonly ErrorCode[]

export interface ErrorDetail {
  /** What the reader should do next, one sentence. */
  readonly hint?: string
  readonly cause?: unknown
}

export class HomewardError extends Error {
  override readonly name = 'HomewardError'
  readonly code: ErrorCode
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause })
    this.code = code
    this.hint = detail.hint
  }
}

export function isErrorCode(text: unknown): text is ErrorCode {
  return typeof text === 'string' && Object.hasOwn(CODES, text)
}

/** True when `error` is ours and, if codes are given, carries one of them. */
export function isHomewardError(error: unknown, ...codes: ErrorCode[]): error is HomewardError {
  return error instanceof HomewardError && (codes.length === 0 || codes.includes(error.code))
}

/** True when the same call may succeed later without anybody changing its input. */
export function isRetryable(error: unknown): boolean {
  return error instanceof HomewardError && CODES[error.code]
}

/** Message and hint as sentences on one line, for a terminal or a log. */
export function errorLine({ message, hint }: { readonly message: string; readonly hint?: string | undefined }): string {
  const text = message.trim().replaceAll(/\s*\n\s*/g, ' | ')
  return `${/[.!?…]$/.test(text) ? text : `${text}.`}${hint === undefined ? '' : ` ${hint}`}`
}

/** Wrong input by the caller of a command: exit status 2. */
export function isUsageError(error: unknown): boolean {
  return isHomewardError(error, 'USAGE', 'CONFIG_INVALID', 'UID_INVALID', 'SETUP_CODE_INVALID')
}

/** Node's own code (`ENOSPC`, `EIO`, …) of a failed system call, or undefined. */
export function systemCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
