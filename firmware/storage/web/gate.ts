/**
 * Who is let in: Host, session or token, and for what changes something the origin and a header that no other site's page
 * can send. The rules are those of the operation that the router found, never of the text of the path.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { HomewardError } from '../../wire/errors.ts'
import type { Accounts } from './accounts.ts'
import { CSRF_HEADER } from './constants.ts'
import type { Caller } from './handlers.ts'
import { isOwnHost, isSameOrigin } from './hosts.ts'
import type { Access } from './operations.ts'

const SESSION_S = 400 * 24 * 3600
const BROWSER_COOKIE = 'homeward-browser'

export interface GateOptions {
  readonly accounts: Accounts
  /** Cookies are for HTTPS alone then. */
  readonly tls: boolean
  /** What the owner calls the device besides its addresses and local names. */
  readonly names: readonly string[]
}

export class Gate {
  readonly #options: GateOptions

  constructor(options: GateOptions) {
    this.#options = options
  }

  /** Throws NOT_ALLOWED: the name in the Host header is not this device's. */
  checkHost({ headers: { host } }: FastifyRequest): void {
    if (isOwnHost(host, this.#options.names)) return
    throw new HomewardError('NOT_ALLOWED', `${JSON.stringify(host ?? '')} is no name of this device`, {
      hint: 'Use its IP address or its .local name, or start it with --http-names NAME.',
    })
  }

  /** Throws SIGNED_OUT, NOT_ALLOWED. */
  admit(request: FastifyRequest, access: Access): Caller | undefined {
    const caller = this.#callerOf(request)
    if (access !== 'anybody' && caller === undefined) {
      throw new HomewardError('SIGNED_OUT', 'this needs a session or a token', {
        hint: 'Sign in on the page, or send a token: Authorization: Bearer TOKEN.',
      })
    }
    if (access === 'owner' && caller?.kind !== 'owner') {
      throw new HomewardError('NOT_ALLOWED', 'a token reads and changes nothing: this needs a session', {
        hint: 'Do it on the page, or with the command `homeward storage`.',
      })
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') this.#checkOrigin(request)
    else if (caller?.kind === 'owner') this.#checkSite(request)
    return caller
  }

  #callerOf(request: FastifyRequest): Caller | undefined {
    const { accounts } = this.#options
    const token = tokenOf(request)
    if (token !== undefined) {
      const known = accounts.token(token)
      return known === undefined ? undefined : { kind: 'reader', hash: known.hash }
    }
    const cookie = request.cookies[this.#sessionCookie]
    const session = cookie === undefined ? undefined : accounts.session(cookie)
    return session === undefined ? undefined : { kind: 'owner', hash: session.hash, session }
  }

  #checkOrigin({ headers }: FastifyRequest): void {
    if (isSameOrigin(headers) && headers[CSRF_HEADER] === '1') return
    throw new HomewardError('NOT_ALLOWED', 'a request that changes something comes from the device’s own page', {
      hint: `A program sends the header ${CSRF_HEADER}: 1.`,
    })
  }

  /** Also what only reads is not read for a page of another site. */
  #checkSite({ headers }: FastifyRequest): void {
    const site = headers['sec-fetch-site']
    if (site === undefined || site === 'same-origin' || site === 'none') return
    throw new HomewardError('NOT_ALLOWED', 'a page of another site may not read this')
  }

  // Cookies

  /** `__Host-`: browsers take it from HTTPS alone, and from no other host of the domain (RFC 6265bis §4.1.3). */
  get #sessionCookie(): string {
    return this.#options.tls ? '__Host-homeward' : 'homeward'
  }

  setSession(reply: FastifyReply, secret: string): void {
    reply.setCookie(this.#sessionCookie, secret, { ...this.#flags, path: '/', maxAge: SESSION_S })
  }

  clearSession(reply: FastifyReply): void {
    reply.clearCookie(this.#sessionCookie, { ...this.#flags, path: '/' })
  }

  /** True when this browser signed in here before. */
  browserOf(request: FastifyRequest): string | undefined {
    const secret = request.cookies[BROWSER_COOKIE]
    return secret !== undefined && this.#options.accounts.knowsBrowser(secret) ? secret : undefined
  }

  setBrowser(reply: FastifyReply, secret: string): void {
    reply.setCookie(BROWSER_COOKIE, secret, { ...this.#flags, path: '/', maxAge: SESSION_S })
  }

  get #flags() {
    return { httpOnly: true, sameSite: 'strict', secure: this.#options.tls } as const
  }
}

/** From `Bearer TOKEN`, or the query: players take nothing but a URL. */
function tokenOf(request: FastifyRequest): string | undefined {
  const { authorization } = request.headers
  if (authorization !== undefined) return /^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? ''
  return queryToken(request)
}

/** The token that stands in the URL, if that is the way it came. */
export function queryToken({ query, headers }: FastifyRequest): string | undefined {
  if (headers.authorization !== undefined || typeof query !== 'object' || query === null) return undefined
  if (!('token' in query)) return undefined
  return typeof query.token === 'string' ? query.token : ''
}
