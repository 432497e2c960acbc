/** The HTTP server: every operation of the table behind the gate, the page, and limits on what a stranger can cost. */
import { createServer as createHttp, type RequestListener } from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import cookie from '@fastify/cookie'
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import * as v from 'valibot'
import type { Certificate } from '../../link/certificate.ts'
import type { Clock } from '../../platform/clock.ts'
import { HomewardError, isHomewardError } from '../../wire/errors.ts'
import { errorAnswer, frameworkError, type RawAnswer } from './answers.ts'
import { fairly } from './fair-use.ts'
import { Front, type FrontOptions } from './front.ts'
import type { Gate } from './gate.ts'
import { type Call, type Handlers, keyOf } from './handlers.ts'
import { OPERATIONS, type Operation } from './operations.ts'
import { Pace } from './pace.ts'
import { addPage } from './page.ts'

const HEADERS_MAX_BYTES = 16 * 1024
/** The longest thing anybody posts is a passphrase. */
const BODY_MAX_BYTES = 16 * 1024
/** Whoever has not sent all headers by then is not a browser. */
const HEADERS_MS = 10_000
const REQUEST_MS = 30_000
const KEEP_ALIVE_MS = 30_000
const HANDSHAKE_MS = 10_000
/** How often slow clients are looked for. */
const CHECK_MS = 2_000
/** A percent-encoded name of 64 characters. */
const PARAM_MAX_CHARS = 800

const SECURITY_HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "media-src 'self' blob:",
    "connect-src 'self'",
    "manifest-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=()',
} as const

export interface WebServerOptions {
  readonly clock: Clock
  readonly handlers: Handlers
  readonly gate: Gate
  /** HTTPS with it; plain HTTP when undefined. */
  readonly certificate: Certificate | undefined
  /** Folder of the built page. */
  readonly pageFolder: string
  /** What is no error of ours. */
  readonly onFault: (error: unknown) => void
  readonly limits?: Pick<FrontOptions, 'perAddressMax' | 'totalMax'>
}

export class WebServer {
  readonly #app: FastifyInstance
  readonly #front: Front

  private constructor(app: FastifyInstance, front: Front) {
    this.#app = app
    this.#front = front
  }

  static async start(options: WebServerOptions, host: string, port: number): Promise<WebServer> {
    const pace = new Pace()
    const { app, inner } = makeApp(options, pace)
    const { gate, handlers, onFault } = options
    await app.register(cookie)
    // JSON alone: what a form of another site can send is not even read.
    app.removeContentTypeParser('text/plain')
    app.addHook('onRequest', async (request, reply) => {
      reply.headers(SECURITY_HEADERS)
      gate.checkHost(request)
    })
    app.setErrorHandler((error, _request, reply) => sendError(reply, error, onFault))
    await addPage(app, options.pageFolder, (request) => gate.admit(request, 'owner'))
    for (const operation of OPERATIONS as readonly Operation[]) addOperation(app, operation, handlers, gate)
    await app.ready()
    const front = new Front({
      inner,
      pace,
      clock: options.clock,
      tls: options.certificate !== undefined,
      ...options.limits,
    })
    try {
      await front.listen(host, port)
    } catch (error) {
      await app.close()
      throw error
    }
    return new WebServer(app, front)
  }

  get address(): AddressInfo {
    return this.#front.address
  }

  get connections(): { readonly open: number; readonly refused: number } {
    return { open: this.#front.connections, refused: this.#front.refused }
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.#front.close()
    await this.#app.close()
  }
}

function makeApp({ certificate, clock }: WebServerOptions, pace: Pace) {
  const limits = {
    maxHeaderSize: HEADERS_MAX_BYTES,
    headersTimeout: HEADERS_MS,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: CHECK_MS,
  }
  const make = (listener: RequestListener) =>
    certificate === undefined
      ? createHttp(limits, listener)
      : createHttps({ ...limits, ...certificate, minVersion: 'TLSv1.2', handshakeTimeout: HANDSHAKE_MS }, listener)
  let inner: ReturnType<typeof make> | undefined
  const app = fastify({
    bodyLimit: BODY_MAX_BYTES,
    routerOptions: { maxParamLength: PARAM_MAX_CHARS },
    // Without it Fastify answers before any hook: with what the path was.
    frameworkErrors: (error, _request, reply) => {
      const { status, body } = frameworkError(error) ?? errorAnswer(error)
      void reply.headers(SECURITY_HEADERS)
      reply.raw.statusCode = status
      void reply.send(body as never)
    },
    serverFactory: (listener) => {
      inner = make(fairly(listener as RequestListener, pace, clock, SECURITY_HEADERS))
      return inner
    },
  })
  if (inner === undefined) throw new HomewardError('INTERNAL', 'no HTTP server was made')
  return { app, inner }
}

function addOperation(app: FastifyInstance, operation: Operation, handlers: Handlers, gate: Gate): void {
  const { method, path, access } = operation
  const handler = handlers[keyOf(operation)] as (call: Call) => unknown
  app.route({
    method,
    url: path.replaceAll(/\{(\w+)\}/g, ':$1'),
    exposeHeadRoute: method === 'GET',
    preParsing: async (request) => {
      gate.admit(request, access)
    },
    handler: async (request, reply) => {
      const signal = signalOf(reply)
      const call = {
        params: request.params,
        query: parsed(operation.query, request.query, 'the query'),
        body: parsed(operation.body, request.body, 'the body'),
        caller: gate.admit(request, access),
        request,
        reply,
        signal,
      } as Call
      reply.header('cache-control', 'no-store')
      const answer = await handler(call)
      if (typeof operation.answer === 'string') return sendRaw(reply, answer as RawAnswer)
      if (operation.answer === undefined) return reply.code(204).send()
      return reply.send(answer)
    },
  })
}

function signalOf(reply: FastifyReply): AbortSignal {
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort())
  return gone.signal
}

function parsed(schema: v.GenericSchema | undefined, value: unknown, where: string): unknown {
  if (schema === undefined) return undefined
  const result = v.safeParse(schema, value)
  if (result.success) return result.output
  const [issue] = result.issues
  throw new HomewardError('USAGE', `${v.getDotPath(issue) ?? where}: ${issue.message}`)
}

function sendRaw(reply: FastifyReply, { status = 200, headers, body }: RawAnswer) {
  // Fastify would read all of it, to throw it away.
  if (reply.request.method === 'HEAD' && body instanceof Readable) body.destroy()
  return reply.code(status).headers(headers).send(body)
}

function sendError(reply: FastifyReply, error: unknown, onFault: (error: unknown) => void) {
  const framework = isHomewardError(error) ? undefined : frameworkError(error)
  if (framework === undefined && !isHomewardError(error)) onFault(error)
  const retryAfterMs = reply.request.retryAfterMs
  const { status, body } = framework ?? errorAnswer(error, retryAfterMs)
  if (retryAfterMs !== undefined) reply.header('retry-after', String(Math.ceil(retryAfterMs / 1000)))
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="homeward"')
  return reply.code(status).header('cache-control', 'no-store').type('application/json; charset=utf-8').send(body)
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set with an error TOO_MANY. */
    retryAfterMs?: number
  }
}
