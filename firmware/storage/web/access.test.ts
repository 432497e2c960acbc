/** Nobody gets in who should not: every operation, by every wrong way. */
import { createConnection } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CSRF_HEADER } from './constants.ts'
import { OPERATIONS, type Operation } from './operations.ts'
import { askRaw, NAME, PASSWORD, type WebHome, withHome } from './web-fixture.ts'

const ALL: readonly Operation[] = OPERATIONS
const urlOf = ({ path }: Operation) => path.replace('{camera}', encodeURIComponent(NAME)).replaceAll(/\{\w+\}/g, 'x')
const CHANGE = { 'content-type': 'application/json', [CSRF_HEADER]: '1' }

/** Status of each operation that needs somebody, asked with these headers. */
async function statuses({ ask }: WebHome, headers: Record<string, string>, which: readonly Operation[] = ALL) {
  const found: string[] = []
  for (const operation of which.filter(({ access }) => access !== 'anybody')) {
    const body = operation.method === 'GET' || operation.method === 'DELETE' ? {} : { body: '{}' }
    const { status } = await ask(urlOf(operation), { method: operation.method, headers, ...body })
    found.push(`${status} ${operation.method} ${operation.path}`)
  }
  return found
}

const all = (status: number, which: readonly Operation[] = ALL) =>
  which.filter(({ access }) => access !== 'anybody').map(({ method, path }) => `${status} ${method} ${path}`)

test('without a session, with a forged one, an ended one: every operation is refused, and so is what does not exist', async () => {
  await withHome(async (home) => {
    assert.equal(await statuses(home, CHANGE), all(401), 'before anybody owns it')
    const cookie = await home.signIn()
    assert.equal(await statuses(home, CHANGE), all(401), 'no session')
    assert.equal(await statuses(home, { ...CHANGE, cookie: `homeward=${'A'.repeat(43)}` }), all(401), 'a forged one')
    assert.equal(await statuses(home, { ...CHANGE, authorization: 'Bearer x' }), all(401), 'a forged token')
    const wrongToken = { ...CHANGE, cookie, authorization: `Bearer ${'A'.repeat(43)}` }
    assert.equal(await statuses(home, wrongToken), all(401), 'a forged token beside a session')
    for (const path of ['/api', '/api/', '/api/v1', '/api/v1/x', '/metrics/x', '//api/v1/status', '/API/v1/status']) {
      assert.is((await askRaw(home.port, path)).status, 401, path)
    }
    assert.is((await home.asOwner('/api/v1/status')).status, 200)
    await home.web.accounts.endSessions()
    assert.equal(await statuses(home, { ...CHANGE, cookie }), all(401), 'an ended one')
  })
})

test('a token reads, by header and in a URL; it changes nothing, and is over when revoked', async () => {
  await withHome(async (home) => {
    const made = await home.asOwner('/api/v1/tokens', { body: { name: 'grafana' } })
    const { id, token } = made.json<{ id: string; token: string }>()
    const authorization = `Bearer ${token}`
    const owner = ALL.filter(({ access }) => access === 'owner')
    assert.equal(await statuses(home, { ...CHANGE, authorization }, owner), all(403, owner))
    assert.is((await home.ask('/metrics', { headers: { authorization } })).status, 200)
    assert.is((await home.ask(`/metrics?token=${token}`)).status, 200)
    assert.is((await home.ask('/metrics?token=x&token=y')).status, 401)
    assert.is((await home.asOwner(`/api/v1/tokens/${id}`, { method: 'DELETE' })).status, 204)
    assert.is((await home.ask('/metrics', { headers: { authorization } })).status, 401)
  })
})

test('what changes something needs the header, and never comes from another site', async () => {
  await withHome(async (home) => {
    const cookie = await home.signIn()
    const host = `127.0.0.1:${home.port}`
    const refused: Record<string, string>[] = [
      {},
      { [CSRF_HEADER]: '1', origin: 'https://evil.example' },
      { [CSRF_HEADER]: '1', origin: 'null' },
      { [CSRF_HEADER]: '1', 'sec-fetch-site': 'cross-site' },
      { [CSRF_HEADER]: '1', 'sec-fetch-site': 'same-site' },
    ]
    for (const headers of refused) {
      const { status } = await askRaw(home.port, '/api/v1/sessions', {
        method: 'DELETE',
        headers: { cookie, ...headers },
      })
      assert.is(status, 403, JSON.stringify(headers))
    }
    const read = await askRaw(home.port, '/api/v1/status', { headers: { cookie, 'sec-fetch-site': 'cross-site' } })
    assert.is(read.status, 403, 'nor is it read')
    const good = { cookie, [CSRF_HEADER]: '1', origin: `http://${host}`, 'sec-fetch-site': 'same-origin' }
    assert.is((await askRaw(home.port, '/api/v1/sessions', { method: 'DELETE', headers: good })).status, 204)
  })
})

test('a name that is not this device’s gets nothing, whatever is asked', async () => {
  await withHome(
    async ({ port }) => {
      for (const host of ['evil.example', 'evil.example:80', '127.0.0.1.evil.example', 'x@y', 'a b']) {
        assert.is((await askRaw(port, '/healthz', { headers: { host } })).status, 403, host)
      }
      for (const host of ['localhost', '[::1]:7480', 'storage.local', 'nas', 'home.example:7480']) {
        assert.is((await askRaw(port, '/healthz', { headers: { host } })).status, 200, host)
      }
    },
    { names: ['home.example'] },
  )
})

test('paths that climb, are encoded twice or hold NUL reach no file', async () => {
  await withHome(async (home) => {
    const cookie = await home.signIn()
    const camera = '/api/v1/cameras/Front-door'
    const tricks = [
      '/../../etc/passwd',
      '/..%2f..%2f..%2fetc%2fpasswd',
      '/%2e%2e/%2e%2e/etc/passwd',
      '/%252e%252e%252fetc/passwd',
      '/..%5c..%5cetc%5cpasswd',
      '/index.html%00.png',
      `${camera}/media/..%2f..%2f..%2fstate%2fidentity.key`,
      `${camera}/media/../../../state/identity.key`,
      `${camera}/media/x.mp4%00`,
      `${camera}/media/%2e%2e%2fhomeward.json`,
      '/api/v1/cameras/..%2f..%2fstate/timeline?from=1&to=2',
      '/api/v1/cameras/%00/timeline?from=1&to=2',
      '/%ff%fe',
      '/%zz',
    ]
    for (const path of tricks) {
      const { status, text } = await askRaw(home.port, path, { headers: { cookie } })
      assert.ok([400, 403, 404].includes(status), `${path}: ${status}`)
      assert.not.match(text, /root:|BEGIN|seed|homeward-/, path)
    }
  })
})

test('requests as no browser writes them are refused, and the next one is answered', async () => {
  await withHome(async (home) => {
    const cookie = await home.signIn()
    const own = `Host: 127.0.0.1\r\nCookie: ${cookie}\r\n`
    const status = '/api/v1/status'
    const odd: [string, string][] = [
      ['a NUL in the path', `GET /api/v1/status\0 HTTP/1.1\r\n${own}\r\n`],
      ['a NUL in a header', `GET ${status} HTTP/1.1\r\nX: a\0b\r\n${own}\r\n`],
      ['two hosts', `GET ${status} HTTP/1.1\r\nHost: evil.example\r\n${own}\r\n`],
      ['no host', `GET ${status} HTTP/1.1\r\nCookie: ${cookie}\r\n\r\n`],
      [
        'another host in the address',
        `GET http://evil.example${status} HTTP/1.1\r\nHost: evil.example\r\nCookie: ${cookie}\r\n\r\n`,
      ],
      [
        'two lengths',
        `POST /auth/sign-in HTTP/1.1\r\n${own}Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      ],
      ['a method of its own', `STEAL ${status} HTTP/1.1\r\n${own}\r\n`],
      ['a tunnel', `CONNECT evil.example:443 HTTP/1.1\r\n${own}\r\n`],
      ['an upgrade', `GET ${status}x HTTP/1.1\r\n${own}Connection: upgrade\r\nUpgrade: websocket\r\n\r\n`],
      ['another protocol', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
      ['a thousand headers', `GET ${status} HTTP/1.1\r\n${'X: y\r\n'.repeat(4000)}${own}\r\n`],
    ]
    for (const [what, bytes] of odd) {
      const text = await new Promise<string>((resolve) => {
        let answer = ''
        const socket = createConnection(home.port, '127.0.0.1', () => socket.end(Buffer.from(bytes, 'latin1')))
        socket.on('error', () => undefined)
        socket.on('data', (part) => {
          answer += part.toString('latin1')
        })
        socket.on('close', () => resolve(answer))
      })
      assert.not.match(text, /HTTP\/1\.1 [23]/, `${what}: ${text.slice(0, 100)}`)
      assert.not.match(text, /footageBytes/, what)
      assert.is((await home.ask('/healthz')).status, 200, what)
    }
  })
})

test('huge headers, huge bodies, wrong bodies and half a request end cleanly', async () => {
  await withHome(async (home) => {
    const { status } = await askRaw(home.port, '/healthz', { headers: { x: 'y'.repeat(20_000) } }).catch(() => ({
      status: 431,
    }))
    assert.is(status, 431)
    const big = await home.ask('/auth/sign-in', { method: 'POST', headers: CHANGE, body: `"${'x'.repeat(20_000)}"` })
    assert.is(big.status, 413)
    for (const body of ['', '{', '[]', 'null', '{"password":1}', '{"password":"x","more":1}', '{"__proto__":{}}']) {
      const answer = await home.ask('/auth/sign-in', { method: 'POST', headers: CHANGE, body })
      assert.is(answer.status, 400, body)
      assert.is(answer.json<{ error: { code: string } }>().error.code, 'USAGE', body)
    }
    const form = await home.ask('/auth/sign-in', {
      method: 'POST',
      headers: { [CSRF_HEADER]: '1' },
      body: 'password=x',
    })
    assert.is(form.status, 415)
    const socket = createConnection(home.port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write('GET /healthz HTTP/1.1\r\nHost: local')
    socket.end()
    await new Promise((resolve) => socket.resume().once('close', resolve))
    assert.is((await home.ask('/healthz')).status, 200)
  })
})

test('wrong passwords cost the one who guesses time, and not the browser that signed in before', async () => {
  await withHome(async (home) => {
    const known = await home.signIn()
    const guess = async (password: string, cookie = '') => {
      const headers = { ...CHANGE, ...(cookie === '' ? {} : { cookie }) }
      return home.ask('/auth/sign-in', { method: 'POST', headers, body: JSON.stringify({ password }) })
    }
    for (let tries = 0; tries < 5; tries += 1) assert.is((await guess(`wrong ${tries}`)).status, 403)
    const late = await guess(PASSWORD)
    assert.is(late.status, 429, 'also with the right one')
    assert.ok(Number(late.headers.get('retry-after')) >= 1)
    assert.is((await guess(PASSWORD, known)).status, 200, 'the owner’s browser is let in')
  })
})

test('the first visit needs the claim code; the second one has come too late', async () => {
  await withHome(async (home) => {
    const claim = (code: string, password = PASSWORD) =>
      home.ask('/auth/claim', { method: 'POST', headers: CHANGE, body: JSON.stringify({ code, password }) })
    assert.is((await claim('AAAA-AAAA-AAAA-AAAA')).status, 403, 'no code was made')
    const { code } = home.web.accounts.newClaim()
    assert.is((await claim(code, 'short')).status, 400)
    assert.is((await claim(code.slice(0, -1))).status, 403)
    assert.is((await claim(code.toLowerCase().replaceAll('-', ' '))).status, 200)
    assert.is((await claim(code)).status, 409)
    assert.is((await home.ask('/auth/state')).json<{ state: string }>().state, 'signed-out')
  })
})

test('the headers that keep other pages away stand on every answer', async () => {
  await withHome(async (home) => {
    for (const path of ['/', '/healthz', '/api/v1/status', '/nothing', '/%zz']) {
      const { headers } = await home.ask(path)
      assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'.*frame-ancestors 'none'/, path)
      assert.is(headers.get('x-content-type-options'), 'nosniff', path)
      assert.is(headers.get('cross-origin-resource-policy'), 'same-origin', path)
    }
  })
})

test.run()
