/** Signing in and out, sessions, tokens. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { HomewardError } from '../../wire/errors.ts'
import { type Accounts, idOf, type Token } from './accounts.ts'
import type { AuthState } from './api.ts'
import type { Gate } from './gate.ts'
import type { Guard } from './guard.ts'
import type { Caller, Handlers } from './handlers.ts'

export interface AuthParts {
  readonly accounts: Accounts
  readonly gate: Gate
  readonly guard: Guard
  readonly tls: boolean
}

const toMs = (us: number) => Math.max(0, Math.round(us / 1000))

export function authHandlers({ accounts, gate, guard, tls }: AuthParts) {
  const stateOf = (caller: Caller | undefined): AuthState => ({
    state: !accounts.claimed ? 'unclaimed' : caller?.kind === 'owner' ? 'signed-in' : 'signed-out',
    encrypted: tls,
  })

  const signIn = async (request: FastifyRequest, reply: FastifyReply): Promise<AuthState> => {
    const secret = await accounts.openSession(request.ip, request.headers['user-agent'] ?? '')
    gate.setSession(reply, secret)
    if (gate.browserOf(request) === undefined) gate.setBrowser(reply, await accounts.rememberBrowser())
    return { state: 'signed-in', encrypted: tls }
  }

  return {
    'GET /auth/state': ({ caller }) => stateOf(caller),
    'POST /auth/claim': async ({ body, request, reply }) => {
      await guard.guess(request, () => accounts.claim(body.code, body.password))
      return signIn(request, reply)
    },
    'POST /auth/sign-in': async ({ body, request, reply }) => {
      await guard.guess(request, (known) => accounts.check(body.password, known))
      return signIn(request, reply)
    },
    'POST /auth/sign-out': async ({ caller, reply }) => {
      if (caller?.kind === 'owner') await accounts.endSessions(idOf(caller.session))
      gate.clearSession(reply)
      return stateOf(undefined)
    },
    'POST /auth/password': async ({ body, caller, request }) => {
      await guard.guess(request, (known) => accounts.check(body.current, known))
      await accounts.setPassword(body.password, ownerOf(caller).session)
      return undefined
    },
    'GET /api/v1/sessions': ({ caller }) => ({
      sessions: accounts.sessions().map((session) => ({
        id: idOf(session),
        current: session.hash === ownerOf(caller).session.hash,
        createdMs: toMs(session.createdUs),
        usedMs: toMs(session.usedUs),
        address: session.address,
        browser: session.browser,
      })),
    }),
    'DELETE /api/v1/sessions': async ({ reply }) => {
      await accounts.endSessions()
      gate.clearSession(reply)
      return undefined
    },
    'DELETE /api/v1/sessions/{session}': async ({ params }) => {
      if (!(await accounts.endSessions(params.session ?? ''))) throw notFound('session')
      return undefined
    },
    'GET /api/v1/tokens': () => ({
      tokens: accounts.tokens().map((token) => ({
        ...tokenFields(token),
        usedMs: token.usedUs === null ? null : toMs(token.usedUs),
      })),
    }),
    'POST /api/v1/tokens': async ({ body }) => {
      const { secret, token } = await accounts.makeToken(body.name)
      return { ...tokenFields(token), token: secret }
    },
    'DELETE /api/v1/tokens/{token}': async ({ params }) => {
      if (!(await accounts.revokeToken(params.token ?? ''))) throw notFound('token')
      return undefined
    },
  } satisfies Partial<Handlers>
}

const tokenFields = (token: Token) => ({ id: idOf(token), name: token.name, createdMs: toMs(token.createdUs) })

/** The gate let nobody else in. */
export function ownerOf(caller: Caller | undefined): Extract<Caller, { readonly kind: 'owner' }> {
  if (caller?.kind === 'owner') return caller
  throw new HomewardError('INTERNAL', 'only a session gets here')
}

function notFound(what: string): HomewardError {
  return new HomewardError('NOT_FOUND', `there is no such ${what}`)
}
