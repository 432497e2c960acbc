/** The owner at the page of a storage program: claims it, and asks as a program with a token does. */
import { type Agent, get } from 'node:http'
import type { Program } from '../../firmware/cli/program.ts'
import { CSRF_HEADER } from '../../firmware/storage/web/constants.ts'
import { HomewardError } from '../../firmware/wire/errors.ts'

const PASSWORD = 'correct horse battery'

export interface Asked {
  readonly body: Buffer
  /** Until the first byte of the body, and until the last. */
  readonly firstMs: number
  readonly tookMs: number
}

export class Owner {
  readonly port: number
  readonly token: string

  private constructor(port: number, token: string) {
    this.port = port
    this.token = token
  }

  /** Of a page that is served over plain HTTP on loopback. */
  static async of(storage: Program): Promise<Owner> {
    const { urls } = (await storage.call('page')) as { urls: readonly string[] }
    const { code } = (await storage.call('claim')) as { code: string }
    const port = Number(new URL(urls[0] ?? '').port)
    const headers = { 'content-type': 'application/json', [CSRF_HEADER]: '1' }
    const post = async (path: string, body: unknown, cookie = '') => {
      const url = `http://127.0.0.1:${port}${path}`
      const answer = await fetch(url, { method: 'POST', headers: { ...headers, cookie }, body: JSON.stringify(body) })
      if (!answer.ok) throw new HomewardError('INTERNAL', `${path} was answered with ${answer.status}`)
      return answer
    }
    const claimed = await post('/auth/claim', { code, password: PASSWORD })
    const cookie = claimed.headers.getSetCookie().map((one) => one.split(';')[0])
    const made = await post('/api/v1/tokens', { name: 'bench' }, cookie.join('; '))
    return new Owner(port, ((await made.json()) as { token: string }).token)
  }

  /** Over a connection of `agent`. Rejects with INTERNAL unless the answer is 200 or 206. */
  ask(path: string, agent: Agent, headers: Readonly<Record<string, string>> = {}): Promise<Asked> {
    const began = performance.now()
    return new Promise((resolve, reject) => {
      const options = {
        ...{ host: '127.0.0.1', port: this.port, path, agent },
        headers: { ...headers, authorization: `Bearer ${this.token}` },
      }
      get(options, (response) => {
        const parts: Buffer[] = []
        let firstMs = 0
        response.on('data', (part: Buffer) => {
          if (parts.length === 0) firstMs = performance.now() - began
          parts.push(part)
        })
        response.on('end', () => {
          const body = Buffer.concat(parts)
          const { statusCode = 0 } = response
          if (statusCode === 200 || statusCode === 206) resolve({ body, firstMs, tookMs: performance.now() - began })
          else reject(new HomewardError('INTERNAL', `${path} was answered with ${statusCode}: ${body}`))
        })
        response.on('error', reject)
      }).on('error', reject)
    })
  }
}
