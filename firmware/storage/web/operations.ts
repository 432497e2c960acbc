/** Every request the device answers, in one table: the server is tested against it, the OpenAPI document made from it. */
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

const CAMERA = '/api/v1/cameras/{camera}'

export const OPERATIONS = [
  { method: 'GET', path: '/healthz', access: 'anybody', summary: 'Alive, and nothing else', answer: 'text/plain' },
  { method: 'GET', path: '/metrics', access: 'reader', summary: 'For Prometheus', answer: 'text/plain' },

  { method: 'GET', path: '/auth/state', access: 'anybody', summary: 'Signed in or not', answer: api.authState },
  {
    ...{ method: 'POST', path: '/auth/claim', access: 'anybody', summary: 'Set the first password and sign in' },
    ...{ body: api.claimRequest, answer: api.authState },
  },
  {
    ...{ method: 'POST', path: '/auth/sign-in', access: 'anybody', summary: 'Sign in' },
    ...{ body: api.signInRequest, answer: api.authState },
  },
  { method: 'POST', path: '/auth/sign-out', access: 'anybody', summary: 'End this session', answer: api.authState },
  {
    ...{ method: 'POST', path: '/auth/password', access: 'owner', summary: 'Change the password, end other sessions' },
    body: api.passwordRequest,
  },

  { method: 'GET', path: '/api/openapi.json', access: 'reader', summary: 'This document', answer: 'application/json' },
  { method: 'GET', path: '/api/v1/status', access: 'reader', summary: 'The device', answer: api.status },
  { method: 'GET', path: '/api/v1/alerts', access: 'reader', summary: 'What is the matter', answer: api.alerts },
  {
    ...{ method: 'GET', path: '/api/v1/events', access: 'reader', summary: 'Server-Sent Events of what changes' },
    answer: 'text/event-stream',
  },
  { method: 'GET', path: '/api/v1/sessions', access: 'owner', summary: 'Who is signed in', answer: api.sessions },
  { method: 'DELETE', path: '/api/v1/sessions', access: 'owner', summary: 'Sign out everywhere' },
  { method: 'DELETE', path: '/api/v1/sessions/{session}', access: 'owner', summary: 'End one session' },
  { method: 'GET', path: '/api/v1/tokens', access: 'owner', summary: 'Tokens of programs', answer: api.tokens },
  {
    ...{ method: 'POST', path: '/api/v1/tokens', access: 'owner', summary: 'Make a token' },
    ...{ body: api.tokenRequest, answer: api.newToken },
  },
  { method: 'DELETE', path: '/api/v1/tokens/{token}', access: 'owner', summary: 'Revoke a token' },
  { method: 'GET', path: '/api/v1/webhook', access: 'owner', summary: 'Where alerts are sent', answer: api.webhook },
  {
    ...{ method: 'PUT', path: '/api/v1/webhook', access: 'owner', summary: 'Set where alerts are sent' },
    ...{ body: api.webhookRequest, answer: api.webhook },
  },
  {
    ...{ method: 'POST', path: '/api/v1/webhook/test', access: 'owner', summary: 'Send one now' },
    answer: api.webhookResult,
  },
  {
    method: 'GET',
    path: '/api/v1/pairings',
    access: 'owner',
    summary: 'Setup codes, used or not',
    answer: api.pairings,
  },
  {
    ...{ method: 'POST', path: '/api/v1/pairings', access: 'owner', summary: 'Make a setup code' },
    ...{ body: api.pairRequest, answer: api.newPairing },
  },
  {
    ...{ method: 'POST', path: '/api/v1/key-backup', access: 'owner', summary: 'A sealed copy of the device’s key' },
    ...{ body: api.keyBackupRequest, answer: api.keyBackup },
  },
  { method: 'GET', path: '/api/v1/storage', access: 'reader', summary: 'Space, and a forecast', answer: api.storage },

  { method: 'GET', path: '/api/v1/cameras', access: 'reader', summary: 'All cameras', answer: api.cameras },
  { method: 'GET', path: CAMERA, access: 'reader', summary: 'One camera', answer: api.camera },
  {
    ...{ method: 'PATCH', path: CAMERA, access: 'owner', summary: 'Rename it' },
    ...{ body: api.renameRequest, answer: api.camera },
  },
  { method: 'POST', path: `${CAMERA}/forget`, access: 'owner', summary: 'Forget it', answer: api.camera },
  {
    ...{ method: 'PUT', path: `${CAMERA}/retention`, access: 'owner', summary: 'How long its footage is kept' },
    ...{ body: api.retentionRequest, answer: api.storage },
  },
  {
    ...{ method: 'GET', path: `${CAMERA}/timeline`, access: 'reader', summary: 'What became of each moment' },
    ...{ query: api.spanQuery, answer: api.timeline },
  },
  {
    ...{ method: 'GET', path: `${CAMERA}/playlist.m3u8`, access: 'reader', summary: 'A span, for players' },
    ...{ query: api.spanQuery, answer: 'application/vnd.apple.mpegurl' },
  },
  {
    ...{ method: 'GET', path: `${CAMERA}/live.m3u8`, access: 'reader', summary: 'The newest footage, for players' },
    answer: 'application/vnd.apple.mpegurl',
  },
  {
    ...{ method: 'GET', path: `${CAMERA}/media/{file}`, access: 'reader', summary: 'Bytes that a playlist names' },
    answer: 'video/mp4',
  },
  {
    ...{ method: 'GET', path: `${CAMERA}/still`, access: 'reader', summary: 'One key frame as MP4' },
    ...{ query: api.stillQuery, answer: 'video/mp4' },
  },
  {
    ...{ method: 'GET', path: `${CAMERA}/export`, access: 'reader', summary: 'What an export would be' },
    ...{ query: api.spanQuery, answer: api.exportPlan },
  },
  {
    ...{ method: 'GET', path: `${CAMERA}/export.mp4`, access: 'reader', summary: 'A span as one MP4' },
    ...{ query: api.spanQuery, answer: 'video/mp4' },
  },
  { method: 'GET', path: `${CAMERA}/locks`, access: 'reader', summary: 'Locked spans', answer: api.locks },
  {
    ...{ method: 'POST', path: `${CAMERA}/locks`, access: 'owner', summary: 'Lock a span' },
    ...{ body: api.lockRequest, answer: api.lock },
  },
  { method: 'DELETE', path: `${CAMERA}/locks/{lock}`, access: 'owner', summary: 'Unlock a span' },
] as const satisfies readonly Operation[]
