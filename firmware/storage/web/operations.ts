/** Every request the device answers, in one table: the server is made from it, and so is the OpenAPI document. */
import type * as v from 'valibot'
import * as api from './api.ts'

/**
 * Who may ask: anybody; a session or a token (`reader`); a session alone (`owner`).
 * Whatever is no GET also needs the header of `constants.ts`.
 */
export type Access = 'anybody' | 'reader' | 'owner'

export interface Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** `{name}` stands for one part of the path. */
  readonly path: string
  readonly access: Access
  readonly summary: string
  readonly query?: v.GenericSchema
  readonly body?: v.GenericSchema
  /** JSON, by schema; another media type; or nothing (204). */
  readonly answer?: v.GenericSchema | string
}

type Shapes = Pick<Operation, 'query' | 'body' | 'answer'>

function of<
  const Method extends Operation['method'],
  const Path extends string,
  const Given extends Shapes = Record<never, never>,
>(method: Method, path: Path, access: Access, summary: string, shapes?: Given) {
  return { method, path, access, summary, ...(shapes ?? {}) } as {
    readonly method: Method
    readonly path: Path
    readonly access: Access
    readonly summary: string
  } & Given
}

const CAMERA = '/api/v1/cameras/{camera}'
const HLS = 'application/vnd.apple.mpegurl'
const { spanQuery: query } = api

export const OPERATIONS = [
  of('GET', '/healthz', 'anybody', 'Alive, and nothing else', { answer: 'text/plain' }),
  of('GET', '/metrics', 'reader', 'For Prometheus', { answer: 'text/plain' }),

  of('GET', '/auth/state', 'anybody', 'Signed in or not', { answer: api.authState }),
  of('POST', '/auth/claim', 'anybody', 'Set the first password and sign in', {
    body: api.claimRequest,
    answer: api.authState,
  }),
  of('POST', '/auth/sign-in', 'anybody', 'Sign in', { body: api.signInRequest, answer: api.authState }),
  of('POST', '/auth/sign-out', 'anybody', 'End this session', { answer: api.authState }),
  of('POST', '/auth/password', 'owner', 'Change the password, end other sessions', { body: api.passwordRequest }),

  of('GET', '/api/openapi.json', 'reader', 'This document', { answer: 'application/json' }),
  of('GET', '/api/v1/status', 'reader', 'The device', { answer: api.status }),
  of('GET', '/api/v1/alerts', 'reader', 'What is the matter', { answer: api.alerts }),
  of('GET', '/api/v1/events', 'reader', 'Server-Sent Events of what changes', { answer: 'text/event-stream' }),
  of('GET', '/api/v1/sessions', 'owner', 'Who is signed in', { answer: api.sessions }),
  of('DELETE', '/api/v1/sessions', 'owner', 'Sign out everywhere'),
  of('DELETE', '/api/v1/sessions/{session}', 'owner', 'End one session'),
  of('GET', '/api/v1/tokens', 'owner', 'Tokens of programs', { answer: api.tokens }),
  of('POST', '/api/v1/tokens', 'owner', 'Make a token', { body: api.tokenRequest, answer: api.newToken }),
  of('DELETE', '/api/v1/tokens/{token}', 'owner', 'Revoke a token'),
  of('GET', '/api/v1/webhook', 'owner', 'Where alerts are sent', { answer: api.webhook }),
  of('PUT', '/api/v1/webhook', 'owner', 'Set where alerts are sent', { body: api.webhookRequest, answer: api.webhook }),
  of('POST', '/api/v1/webhook/test', 'owner', 'Send one now', { answer: api.webhookResult }),
  of('GET', '/api/v1/pairings', 'owner', 'Setup codes, used or not', { answer: api.pairings }),
  of('POST', '/api/v1/pairings', 'owner', 'Make a setup code', { body: api.pairRequest, answer: api.newPairing }),
  of('POST', '/api/v1/key-backup', 'owner', 'A sealed copy of the device’s key', {
    body: api.keyBackupRequest,
    answer: api.keyBackup,
  }),
  of('GET', '/api/v1/storage', 'reader', 'Space, and a forecast', { answer: api.storage }),

  of('GET', '/api/v1/cameras', 'reader', 'All cameras', { answer: api.cameras }),
  of('GET', CAMERA, 'reader', 'One camera', { answer: api.camera }),
  of('PATCH', CAMERA, 'owner', 'Rename it', { body: api.renameRequest, answer: api.camera }),
  of('POST', `${CAMERA}/forget`, 'owner', 'Forget it', { answer: api.camera }),
  of('PUT', `${CAMERA}/retention`, 'owner', 'How long its footage is kept', {
    body: api.retentionRequest,
    answer: api.storage,
  }),
  of('GET', `${CAMERA}/locks`, 'reader', 'Locked spans', { answer: api.locks }),
  of('POST', `${CAMERA}/locks`, 'owner', 'Lock a span', { body: api.lockRequest, answer: api.lock }),
  of('DELETE', `${CAMERA}/locks/{lock}`, 'owner', 'Unlock a span'),
  of('GET', `${CAMERA}/timeline`, 'reader', 'What became of each moment', { query, answer: api.timeline }),
  of('GET', `${CAMERA}/playlist.m3u8`, 'reader', 'A span, for players', {
    query: api.playlistQuery,
    answer: HLS,
  }),
  of('GET', `${CAMERA}/live.m3u8`, 'reader', 'The newest footage, for players', {
    query: api.liveQuery,
    answer: HLS,
  }),
  of('GET', `${CAMERA}/media/{file}`, 'reader', 'Bytes that a playlist names', {
    query: api.mediaQuery,
    answer: 'video/mp4',
  }),
  of('GET', `${CAMERA}/still`, 'reader', 'One key frame as MP4', { query: api.stillQuery, answer: 'video/mp4' }),
  of('GET', `${CAMERA}/export`, 'reader', 'What an export would be', { query, answer: api.exportPlan }),
  of('GET', `${CAMERA}/export.mp4`, 'reader', 'A span as one MP4', { query, answer: 'video/mp4' }),
] as const
