/** What a handler answers with, and how an error looks to a program. Pure. */
import type { Readable } from 'node:stream'
import { describeError } from '../../platform/control.ts'
import { type ErrorCode, isHomewardError } from '../../wire/errors.ts'
import type { ApiError } from './api.ts'

/** An answer that is not JSON. */
export interface RawAnswer {
  readonly status?: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array | Readable
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  USAGE: 400,
  CONFIG_INVALID: 400,
  ALREADY_CLAIMED: 409,
  CLAIM_CODE_WRONG: 403,
  PASSWORD_WRONG: 403,
  SIGNED_OUT: 401,
  NOT_ALLOWED: 403,
  NOT_FOUND: 404,
  CAMERA_UNKNOWN: 404,
  SPAN_EMPTY: 404,
  LOCK_UNKNOWN: 404,
  FORMAT_CHANGES: 422,
  MEDIA_MALFORMED: 422,
  TOO_MANY: 429,
  DISK_FULL: 503,
  DISK_MISSING: 503,
  DISK_READ_ONLY: 503,
  DISK_FAILED: 503,
  INDEX_DAMAGED: 503,
  CANCELLED: 503,
}

/** HTTP status and body of an error. What is not ours is told without its details. */
export function errorAnswer(error: unknown, retryAfterMs?: number): { status: number; body: ApiError } {
  if (isHomewardError(error)) {
    const description = describeError(error)
    const wait = retryAfterMs === undefined ? {} : { retryAfterMs }
    return { status: STATUS[error.code] ?? 500, body: { error: { ...description, ...wait } } }
  }
  return {
    status: 500,
    body: {
      error: {
        code: 'INTERNAL' satisfies ErrorCode,
        message: 'the storage device failed to answer',
        hint: 'Its log has more.',
      },
    },
  }
}

/** Fastify's and Node's own refusals (too large, not JSON, a bad path), as errors of ours. */
export function frameworkError(error: unknown): { status: number; body: ApiError } | undefined {
  if (typeof error !== 'object' || error === null || !('statusCode' in error)) return undefined
  const { statusCode } = error
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode > 499) return undefined
  const message = error instanceof Error ? error.message : 'the request was refused'
  return { status: statusCode, body: { error: { code: 'USAGE', message } } }
}
