/** Requests to the device. Whatever goes wrong becomes a HomewardError with the server's own code and words. */
import { type ErrorCode, HomewardError, isErrorCode, isHomewardError } from '../../../wire/errors.ts'
import type { ApiError } from '../../web/api.ts'
import { CSRF_HEADER } from '../../web/constants.ts'

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

const signedOutListeners = new Set<() => void>()

/** Called when an answer says that the session has ended. */
export function onSignedOut(listener: () => void): () => void {
  signedOutListeners.add(listener)
  return () => signedOutListeners.delete(listener)
}

export const cameraPath = (camera: string): string => `/api/v1/cameras/${encodeURIComponent(camera)}`

/** JSON there and back; undefined for an answer without a body. Throws what the device answers, STORAGE_UNREACHABLE. */
export async function call<Answer>(
  method: Method,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<Answer> {
  const response = await send(path, {
    method,
    headers: {
      ...(method === 'GET' ? {} : { [CSRF_HEADER]: '1' }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  })
  return (response.status === 204 ? undefined : await response.json()) as Answer
}

/** Any answer that is no error. Throws as {@link call}. */
export async function send(path: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(path, { credentials: 'same-origin', ...init }).catch((cause: unknown) => {
    if (init.signal?.aborted === true) throw new HomewardError('CANCELLED', 'this was stopped', { cause })
    throw new HomewardError('STORAGE_UNREACHABLE', 'the storage device does not answer', {
      hint: 'Check that it is running and that you are in the same network.',
      cause,
    })
  })
  if (response.ok) return response
  const error = await errorOf(response)
  if (error.code === 'SIGNED_OUT') for (const listener of signedOutListeners) listener()
  throw error
}

async function errorOf(response: Response): Promise<HomewardError> {
  const answer = (await response.json().catch(() => undefined)) as ApiError | undefined
  const { code, message, hint, retryAfterMs } = answer?.error ?? {
    code: 'INTERNAL',
    message: `the storage device answered with status ${response.status}`,
  }
  const wait =
    retryAfterMs === undefined ? undefined : `Wait ${Math.max(1, Math.ceil(retryAfterMs / 1000))} s, then try again.`
  const known: ErrorCode = isErrorCode(code) ? code : 'INTERNAL'
  const next = wait ?? hint
  return new HomewardError(known, message ?? '', next === undefined ? {} : { hint: next })
}

export function isCancelled(error: unknown): boolean {
  return isHomewardError(error, 'CANCELLED') || (error instanceof DOMException && error.name === 'AbortError')
}
