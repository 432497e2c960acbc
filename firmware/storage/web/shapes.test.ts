/** What is answered has the shape that is promised, the document says the same, and time is told without overlaps. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as v from 'valibot'
import { FakeClock } from '../../platform/clock-fake.ts'
import { SECOND } from '../archive/archive-fixture.ts'
import { apiError, EVENTS, type EventName } from './api.ts'
import { Backlogs } from './backlogs.ts'
import { openApi } from './openapi.ts'
import { OPERATIONS, type Operation } from './operations.ts'
import { nowUs, PASSWORD, withHome } from './web-fixture.ts'

const AT = '/api/v1/cameras/Front-door'

function mustFit(schema: v.GenericSchema, value: unknown, what: string): void {
  const result = v.safeParse(schema, value)
  const [issue] = result.issues ?? []
  assert.ok(result.success, `${what}: ${issue === undefined ? '' : `${v.getDotPath(issue)} ${issue.message}`}`)
}

test('every answer of JSON has its shape', async () => {
  await withHome(async (home) => {
    const startUs = nowUs() - 60 * SECOND
    for (let seq = 0; seq < 3; seq += 1) await home.store({ seq, wallUs: startUs + seq * SECOND })
    await home.asOwner('/api/v1/tokens', { body: { name: 'one' } })
    await home.asOwner('/api/v1/pairings', { body: { name: 'Garden' } })
    for (const { method, path, query, answer } of OPERATIONS as readonly Operation[]) {
      if (method !== 'GET' || typeof answer !== 'object') continue
      const span = query === undefined ? '' : `?from=${startUs / 1000}&to=${startUs / 1000 + 5000}`
      const { status, text } = await home.asOwner(`${path.replace('{camera}', 'Front-door')}${span}`)
      assert.is(status, 200, `${path}: ${text}`)
      mustFit(answer, JSON.parse(text), path)
    }
  })
})

test('what changes something answers in its shape too, and whatever is refused in that of errors', async () => {
  await withHome(async (home) => {
    const startUs = nowUs() - 60 * SECOND
    for (let seq = 0; seq < 3; seq += 1) await home.store({ seq, wallUs: startUs + seq * SECOND })
    const { id: token } = (await home.asOwner('/api/v1/tokens', { body: { name: 'one' } })).json<{ id: string }>()
    const span = { fromMs: startUs / 1000, toMs: startUs / 1000 + 1000 }
    const { id: lock } = (await home.asOwner(`${AT}/locks`, { body: span })).json<{ id: string }>()
    await home.signIn()
    const { sessions } = (await home.asOwner('/api/v1/sessions')).json<{
      sessions: { id: string; current: boolean }[]
    }>()
    const session = sessions.find(({ current }) => !current)?.id ?? ''
    const password = PASSWORD
    const bodies: Readonly<Record<string, unknown>> = {
      'POST /auth/claim': undefined,
      'POST /auth/sign-in': { password },
      'POST /auth/sign-out': {},
      'POST /auth/password': { current: password, password },
      'DELETE /api/v1/sessions': {},
      'DELETE /api/v1/sessions/{session}': {},
      'POST /api/v1/tokens': { name: 'two' },
      'DELETE /api/v1/tokens/{token}': {},
      'PUT /api/v1/webhook': { url: 'http://127.0.0.1:9/' },
      'POST /api/v1/webhook/test': {},
      'POST /api/v1/pairings': {},
      'POST /api/v1/key-backup': { password, passphrase: 'eight or more' },
      'PATCH /api/v1/cameras/{camera}': { name: 'Front door' },
      'POST /api/v1/cameras/{camera}/forget': {},
      'PUT /api/v1/cameras/{camera}/retention': { maxDays: 3, maxBytes: null },
      'POST /api/v1/cameras/{camera}/locks': span,
      'DELETE /api/v1/cameras/{camera}/locks/{lock}': {},
    }
    const names: Readonly<Record<string, string>> = { camera: 'Front-door', session, token, lock }
    // These end sessions, or the camera.
    const last = [
      ...['POST /auth/password', 'POST /api/v1/cameras/{camera}/forget'],
      ...['DELETE /api/v1/sessions', 'POST /auth/sign-out'],
    ]
    const changes = (OPERATIONS as readonly Operation[])
      .filter(({ method }) => method !== 'GET')
      .map((operation) => ({ ...operation, key: `${operation.method} ${operation.path}` }))
      .sort((a, b) => last.indexOf(a.key) - last.indexOf(b.key))
    for (const { key, method, path, body: schema, answer } of changes) {
      assert.ok(key in bodies, `${key} is not tried here`)
      const url = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => names[name] ?? '')
      if (schema !== undefined) {
        const wrong = await home.asOwner(url, { method, body: { nonsense: 1 } })
        assert.is(wrong.status, 400, `${key}: ${wrong.text}`)
        mustFit(apiError, JSON.parse(wrong.text), key)
      }
      if (bodies[key] === undefined) continue
      const { status, text } = await home.asOwner(url, {
        method,
        ...(schema === undefined ? {} : { body: bodies[key] }),
      })
      assert.is(status, answer === undefined ? 204 : 200, `${key}: ${text}`)
      if (typeof answer === 'object') mustFit(answer, JSON.parse(text), key)
    }
    for (const path of ['/api/v1/status', '/api/v1/x', '/x', '/%zz', `${AT}/timeline`]) {
      mustFit(apiError, JSON.parse((await home.ask(path)).text), path)
    }
  })
})

test('the OpenAPI document has every operation, and every parameter of its path', async () => {
  await withHome(async (home) => {
    const document = (await home.asOwner('/api/openapi.json')).json<{
      paths: Record<string, Record<string, { operationId: string; parameters: { name: string; in: string }[] }>>
    }>()
    assert.equal(
      document,
      JSON.parse(JSON.stringify(openApi((await home.asOwner('/api/v1/status')).json<{ version: string }>().version))),
    )
    const ids = new Set<string>()
    for (const { method, path } of OPERATIONS) {
      const found = document.paths[path]?.[method.toLowerCase()]
      assert.ok(found !== undefined, path)
      ids.add(found.operationId)
      const named = found.parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name)
      assert.equal(
        named,
        Array.from(path.matchAll(/\{(\w+)\}/g), ([, name]) => name),
      )
    }
    assert.is(ids.size, OPERATIONS.length, 'each by an id of its own')
  })
})

test('events: the present state at once, then what is stored; an ended session hears no more', async () => {
  await withHome(async (home) => {
    const cookie = await home.signIn()
    const response = await fetch(`http://127.0.0.1:${home.port}/api/v1/events`, { headers: { cookie } })
    assert.is(response.headers.get('content-type'), 'text/event-stream')
    const reader = response.body?.getReader()
    assert.ok(reader !== undefined)
    let text = ''
    let ended = false
    const decoder = new TextDecoder()
    const until = async (holds: () => boolean) => {
      while (!holds() && !ended) {
        const { value, done } = (await reader?.read()) ?? { done: true }
        ended = done
        text += decoder.decode(value)
      }
    }
    await until(() => text.includes('event: pairings'))
    await home.store({ seq: 0, wallUs: nowUs() })
    await until(() => text.includes('event: stored'))
    for (const block of text.split('\n\n').filter((one) => one.startsWith('event: '))) {
      const [, name = '', data = ''] = /^event: (\w+)\ndata: (.*)$/s.exec(block) ?? []
      mustFit(EVENTS[name as EventName], JSON.parse(data), name)
    }
    await home.web.accounts.endSessions()
    await home.store({ seq: 1, wallUs: nowUs() + SECOND })
    await until(() => ended)
    assert.is(text.match(/event: stored/g)?.length, 1)
  })
})

test('a page that is watched costs a listener, and gives it back when it goes', async () => {
  await withHome(async (home) => {
    const cookie = await home.signIn()
    for (let times = 0; times < 70; times += 1) {
      const gone = new AbortController()
      const response = await fetch(`http://127.0.0.1:${home.port}/api/v1/events`, {
        headers: { cookie },
        signal: gone.signal,
      })
      assert.is(response.status, 200, `page ${times}`)
      gone.abort()
    }
  })
})

test('metrics: names and labels that Prometheus takes, what is asked of a recorder among them', async () => {
  await withHome(async (home) => {
    await home.store({ seq: 0, wallUs: nowUs() })
    const { text } = await home.asOwner('/metrics')
    for (const name of [
      'disk_free_bytes',
      'commit_p99_seconds',
      'camera_connected',
      'camera_path',
      'camera_lag_seconds',
      'camera_received_bytes',
      'camera_gaps',
      'alert',
    ]) {
      assert.match(text, new RegExp(`^homeward_${name}(\\{.*\\})? [\\d.e+-]+$`, 'm'), name)
    }
    assert.match(text, /homeward_camera_connected\{camera="Front door",id="\w{7}"\} 0/)
    assert.equal((await home.asOwner('/metrics')).status, 200, 'twice')
    assert.is((await home.asOwner(`${AT}/live.m3u8`)).status, 200)
  })
})

test('a card that fills is forecast from how its backlog grew', async () => {
  const clock = new FakeClock()
  const backlogs = new Backlogs(clock)
  const note = (unackedBytes: number) => backlogs.note('a', { unackedBytes, capacityBytes: 10_000 })
  for (let minute = 0; minute <= 5; minute += 1) {
    note(minute * 600)
    await clock.advance(60_000)
  }
  assert.is(backlogs.fullInMs('a'), (7000 / 10) * 1000)
  note(1000)
  assert.ok((backlogs.fullInMs('a') ?? 0) > 700_000, 'it became less')
  assert.is(backlogs.fullInMs('b'), undefined)
})

test.run()
