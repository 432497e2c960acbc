/** What the tests of the page share: a real storage agent with its page on loopback, a camera that is paired, and its owner. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { RealClock } from '../../platform/clock-real.ts'
import { realRandom } from '../../platform/random.ts'
import { HomewardError } from '../../wire/errors.ts'
import { StorageAgent } from '../agent.ts'
import { CAMERA, headerOf, INIT, mediaAt, type Plan, SECOND } from '../archive/archive-fixture.ts'
import type { FragmentPayload } from '../archive/incoming.ts'
import { CSRF_HEADER } from './constants.ts'
import { Web, type WebSettings } from './web.ts'

export const PASSWORD = 'correct horse battery'
export const NAME = 'Front door'
/** Next to nothing, so that tests are quick. */
const CHEAP = { n: 16, r: 1, p: 1 }

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  json<T>(): T
}

export interface WebHome {
  readonly agent: StorageAgent
  readonly web: Web
  readonly port: number
  readonly folder: string
  /** Without any cookie or token. */
  ask(path: string, init?: RequestInit): Promise<Answer>
  /** With the owner's session; a body makes it a POST unless the method says otherwise. */
  asOwner(path: string, init?: { readonly method?: string; readonly body?: unknown }): Promise<Answer>
  /** The cookie of a new session. */
  signIn(): Promise<string>
  /** A fragment of the paired camera. */
  store(plan: Plan, payload?: FragmentPayload): Promise<void>
}

/** Everything is closed and removed afterwards. */
export async function withHome(
  work: (home: WebHome) => Promise<void>,
  settings: Partial<WebSettings> = {},
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'homeward-web-'))
  const log = pino({ level: 'silent' })
  const root = join(folder, 'disk')
  await mkdir(root)
  const agent = await StorageAgent.start(
    {
      ...{
        root,
        state: join(folder, 'state'),
        minFreeBytes: 0,
        keepDays: undefined,
        keepBytes: undefined,
        scrubBytesPerS: 0,
      },
      ...{ listen: { host: '127.0.0.1', port: 0 }, p2p: undefined, p2pTls: undefined, p2pKey: undefined },
    },
    { clock: new RealClock(), random: realRandom, log },
  )
  try {
    const enrolment = { key: CAMERA, name: NAME, tokenHash: '00'.repeat(32), enrolledUs: agent.clock.wallUs() }
    await agent.archive.nameCamera(CAMERA, (await agent.cameras.enrol(enrolment)).folder)
    const web = await Web.start(agent, {
      ...{ host: '127.0.0.1', port: 0, tls: false, names: [], cost: CHEAP, pageFolder: join(folder, 'no-page') },
      ...settings,
    })
    try {
      await work(homeOf(agent, web, folder))
    } finally {
      await web.close()
    }
  } finally {
    await agent.close()
    await rm(folder, { recursive: true })
  }
}

function homeOf(agent: StorageAgent, web: Web, folder: string): WebHome {
  const port = web.address?.port ?? 0
  const ask = async (path: string, init: RequestInit = {}): Promise<Answer> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, init)
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, json: <T>() => JSON.parse(text) as T }
  }
  const change = { 'content-type': 'application/json', [CSRF_HEADER]: '1' }
  const signIn = async () => {
    const [path, body] = web.accounts.claimed
      ? ['/auth/sign-in', { password: PASSWORD }]
      : ['/auth/claim', { code: web.accounts.newClaim().code, password: PASSWORD }]
    const answer = await ask(String(path), { method: 'POST', headers: change, body: JSON.stringify(body) })
    if (answer.status !== 200) throw new HomewardError('INTERNAL', `not signed in: ${answer.text}`)
    return answer.headers
      .getSetCookie()
      .map((cookie) => cookie.split(';')[0])
      .join('; ')
  }
  // One boot's two clocks go together: longer ago than any footage of the tests.
  const bootedUs = nowUs() - 100 * 86_400 * SECOND
  let session: Promise<string> | undefined
  return {
    ...{ agent, web, port, folder, ask, signIn },
    asOwner: async (path, { method, body } = {}) => {
      session ??= signIn()
      const cookie = await session
      if (body === undefined && method === undefined) return ask(path, { headers: { cookie } })
      const headers = body === undefined ? { cookie, [CSRF_HEADER]: '1' } : { cookie, ...change }
      const sent = body === undefined ? {} : { body: JSON.stringify(body) }
      return ask(path, { method: method ?? 'POST', headers, ...sent })
    },
    store: async (plan, payload) => {
      const mono = plan.wallUs === undefined || plan.clock === 'none' ? {} : { monoUs: plan.wallUs - bootedUs }
      const header = headerOf({ ...mono, ...plan })
      const receivedUs = agent.clock.wallUs()
      await agent.archive.store(CAMERA, header, payload ?? { init: INIT, fragment: mediaAt(plan.seq) }, receivedUs)
      agent.traffic.stored(CAMERA, header, 500, receivedUs)
    },
  }
}

/** As it is written, without what fetch puts right: paths with dots, any Host. */
export function askRaw(
  port: number,
  path: string,
  options: { readonly method?: string; readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, agent: false, ...options }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

/** Now, on a whole second. */
export const nowUs = () => Math.floor(Date.now() / 1000) * SECOND
