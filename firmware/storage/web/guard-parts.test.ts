/** The parts that let in or keep out: passwords, back-off, names of hosts, accounts that outlive a restart. */
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../../platform/clock-fake.ts'
import { codeOf } from '../../wire/error-code-fixture.ts'
import { Accounts, CLAIM_TTL_MS, SESSION_IDLE_US } from './accounts.ts'
import { addressGroup, Backoff } from './backoff.ts'
import { isOwnHost } from './hosts.ts'
import { newClaimCode, PasswordHasher } from './passwords.ts'

const CHEAP = { n: 16, r: 1, p: 1 }

test('a password is stored as scrypt with its cost and a salt of its own, and compared whatever keyboard typed it', async () => {
  const hasher = new PasswordHasher()
  const [one, other] = [await hasher.make('grüße'), await hasher.make('grüße')]
  assert.match(one, /^scrypt:32768:8:3:[0-9a-f]{32}:[0-9a-f]{64}$/)
  assert.is.not(one, other)
  assert.ok(await hasher.matches('gr\u0075\u0308ße', one), 'decomposed')
  assert.not.ok(await hasher.matches('grüsse', one))
})

test('of a flood only so many wait, and a browser that is known is not sent away', async () => {
  const hasher = new PasswordHasher(CHEAP)
  const stored = await hasher.make('right')
  const flood = Array.from({ length: 40 }, () => codeOf(hasher.matches('wrong', stored)))
  const owner = hasher.matches('right', stored, true)
  assert.equal((await Promise.all(flood)).filter((code) => code === 'TOO_MANY').length, 24)
  assert.ok(await owner)
})

test('five tries are free, then each wait is twice the last, up to a quarter of an hour; an hour forgets', async () => {
  const clock = new FakeClock()
  const backoff = new Backoff(clock)
  const waits: number[] = []
  for (let tries = 0; tries < 18; tries += 1) {
    backoff.attempt('a')
    waits.push(backoff.waitMs('a') / 1000)
    await clock.advance(backoff.waitMs('a'))
  }
  assert.equal(waits, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900])
  assert.is(backoff.waitMs('b'), 0, 'nobody else waits')
  await clock.advance(3_700_000)
  backoff.attempt('a')
  assert.is(backoff.waitMs('a'), 0)
  for (let who = 0; who < 20_000; who += 1) backoff.attempt(`flood ${who}`)
  backoff.succeeded('a')
})

test('an IPv6 network is one guesser, an IPv4 address in IPv6 is that address', () => {
  const rows: [string, string][] = [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ]
  for (const [address, group] of rows) assert.is(addressGroup(address), group, address)
})

test('own names are addresses, single labels, local names and those that were set', () => {
  const own = [
    '127.0.0.1',
    '[::1]:80',
    '192.168.1.2:7480',
    'nas',
    'NAS.local',
    'nas.local.',
    'a.home.arpa',
    'home.example:1',
  ]
  const others = [
    undefined,
    '',
    'evil.example',
    'local',
    'home.example.evil.example',
    'x y',
    'a/b',
    '[::1',
    'evil.example:',
    'fritz.box',
  ]
  for (const host of own) assert.ok(isOwnHost(host, ['home.example']), host)
  for (const host of others) assert.is(isOwnHost(host, ['home.example']), host === 'local', String(host))
})

test('accounts: a code once and for an hour, sessions that outlive a restart and idle out, nothing readable in the file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'homeward-'))
  try {
    const clock = new FakeClock()
    const open = () => Accounts.open(folder, clock, new PasswordHasher(CHEAP))
    const accounts = await open()
    const early = accounts.newClaim().code
    const { code } = accounts.newClaim()
    assert.is(await codeOf(accounts.claim(early, 'long enough')), 'CLAIM_CODE_WRONG', 'a newer one was made')
    await clock.advance(CLAIM_TTL_MS + 1)
    assert.is(await codeOf(accounts.claim(code, 'long enough')), 'CLAIM_CODE_WRONG', 'it has expired')
    await accounts.claim(accounts.newClaim().code, 'long enough')
    assert.is(await codeOf(() => accounts.newClaim()), 'ALREADY_CLAIMED')
    const secret = await accounts.openSession('192.0.2.1', 'Browser')
    const { secret: token } = await accounts.makeToken('grafana')
    const again = await open()
    assert.ok(again.claimed && again.session(secret) !== undefined && again.token(token) !== undefined)
    const file = join(folder, 'web.json')
    assert.is((await stat(file)).mode & 0o777, 0o600)
    const text = await readFile(file, 'utf8')
    for (const hidden of [secret, token, 'long enough']) assert.not.ok(text.includes(hidden))
    clock.setWall(clock.wallUs() + SESSION_IDLE_US + 1)
    assert.is(again.session(secret), undefined, 'idle for too long')
    assert.is(await codeOf(again.check('wrong password')), 'PASSWORD_WRONG')
    await again.setPassword('another one')
    assert.equal(again.sessions(), [])
    assert.is(await codeOf(again.check('another one')), 'no error')
    await again.close()
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('claim codes are of letters and digits that cannot be mistaken', () => {
  for (let times = 0; times < 100; times += 1)
    assert.match(newClaimCode(), /^([A-HJ-NP-Z2-9]{4}-){3}[A-HJ-NP-Z2-9]{4}$/)
})

test.run()
