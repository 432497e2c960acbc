// time-out: 120 s
/** What an owner sets on the page, in a real Chromium, and that it takes effect; by keyboard and by name, for whoever cannot see it. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test as always } from 'uvu'
import * as assert from 'uvu/assert'
import { CAMERA, headerOf, LOG, LOG2, SECOND } from '../storage/archive/archive-fixture.ts'
import type { Storage, Timeline } from '../storage/web/api.ts'
import { film, STREAM } from '../storage/web/footage-fixture.ts'
import { NAME, nowUs, PASSWORD } from '../storage/web/web-fixture.ts'
import { hasBrowser } from './browser-fixture.ts'
import { answerOf } from './command-fixture.ts'
import { PageHome, pause, until } from './page-home-fixture.ts'

const test = hasBrowser ? always : always.skip
if (!hasBrowser) process.stdout.write('skipped: chromium is not installed\n')

const DAY_US = 86_400 * SECOND
/** Yesterday at noon: no midnight is near. */
const START_US = (Math.floor(nowUs() / DAY_US) * 24 - 12) * 3600 * SECOND
const MS = 1000
const PASSPHRASE = 'a long walk in the rain'

let pageHome: PageHome

always.before(async () => {
  if (!hasBrowser) return
  pageHome = await PageHome.start({ timeZone: 'UTC' })
  const { home } = pageHome
  const stream = { ...STREAM, seconds: 60, rate: 20, sound: false }
  for (const run of [0, 1, 2])
    await film(home, START_US + run * 60 * SECOND, { stream, run, seq: run * 60, bootedUs: START_US })
})
always.after(async () => {
  await pageHome?.close()
})

const region = (name: string) =>
  pageHome.page.locator('section.card', { has: pageHome.page.getByRole('heading', { name, exact: true }) })
const focused = () =>
  pageHome.page.evaluate<string>('document.activeElement?.ariaLabel ?? document.activeElement?.textContent ?? ""')
const timeline = async () =>
  (
    await pageHome.home.asOwner(`/api/v1/cameras/Front-door/timeline?from=${START_US / MS}&to=${nowUs() / MS}`)
  ).json<Timeline>()

test('the key is downloaded with a passphrase, and the copy makes another device this one', async () => {
  const { page, home } = pageHome
  await pageHome.view('settings')
  const card = region('Back-up of the key')
  await card.getByText('Not backed up yet').waitFor()
  await card.getByLabel(/^Passphrase/).fill(PASSPHRASE)
  await card.getByLabel('Your password').fill('not the password')
  await card.getByRole('button', { name: 'Download the sealed copy' }).click()
  await card.getByRole('alert').getByText('That is not the password').waitFor()
  await card.getByLabel('Your password').fill(PASSWORD)
  const waiting = page.waitForEvent('download')
  await card.getByRole('button', { name: 'Download the sealed copy' }).click()
  const download = await waiting
  assert.match(download.suggestedFilename(), /^homeward-key-\w{7}\.txt$/)
  const [backup, passphrase, state] = [
    join(home.folder, 'copy.txt'),
    join(home.folder, 'phrase'),
    join(home.folder, 'new'),
  ]
  await writeFile(backup, await readFile(await download.path()))
  await writeFile(passphrase, `${PASSPHRASE}\n`, { mode: 0o600 })
  await mkdir(state)
  const args = ['storage', 'key', 'import', backup, '--passphrase-file', passphrase, '--state', state]
  assert.is((await answerOf<{ uid: string }>(args)).uid, home.agent.identity.uid)
  await card.getByText('Backed up on').waitFor()
})

test('a token is made, shown once, let in, and refused when revoked; the keyboard stays with the question', async () => {
  const { page, home } = pageHome
  const card = region('Tokens of programs')
  await card.getByLabel('What it is for').fill('a player')
  await card.getByRole('button', { name: 'Make a token' }).click()
  const token = await card.locator('.code').innerText()
  const ask = async () => (await home.ask('/metrics', { headers: { authorization: `Bearer ${token}` } })).status
  assert.is(await ask(), 200)
  await pageHome.view('settings')
  assert.is(await card.locator('.code').count(), 0, 'never again')
  await card.getByRole('button', { name: 'Revoke: a player' }).focus()
  await page.keyboard.press('Enter')
  await until('it asks', async () => (await focused()) === 'Yes, revoke: a player')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await until('No leads back', async () => (await focused()) === 'Revoke: a player')
  await page.keyboard.press('Enter')
  await until('it asks again', async () => (await focused()) === 'Yes, revoke: a player')
  await page.keyboard.press('Enter')
  await until('it is revoked', async () => (await ask()) === 401)
  await until('it is gone', async () => (await card.getByRole('button', { name: 'Revoke' }).count()) === 0)
})

test('a webhook is called with what the page sends, and again when an alert comes; a refusal is shown', async () => {
  const calls: { readonly body: string; readonly headers: IncomingHttpHeaders }[] = []
  let status = 204
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (part: Buffer) => {
      body += part.toString()
    })
    request.on('end', () => {
      calls.push({ body, headers: request.headers })
      response.writeHead(status).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const card = region('Webhook for alerts')
    await card.getByLabel('Address').fill(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`)
    await card.getByLabel(/^Secret/).fill('shared')
    await card.getByRole('button', { name: 'Set' }).click()
    await card.getByRole('button', { name: 'Send one now' }).click()
    await card.getByRole('status').getByText('Taken').waitFor()
    assert.equal([JSON.parse(calls[0]?.body ?? '').event, calls.length], ['test', 1])
    assert.ok(calls[0]?.headers['x-homeward-signature'] !== undefined)
    status = 500
    await card.getByRole('button', { name: 'Send one now' }).click()
    await card.getByRole('status').getByText('Not taken: ').waitFor()
    await card.getByLabel('Address').fill('')
    await card.getByRole('button', { name: 'Set' }).click()
    await until('nobody is told', async () => card.getByRole('button', { name: 'Send one now' }).isDisabled())
  } finally {
    server.close()
    server.closeAllConnections()
  }
})

test('a setup code counts down; the keyboard goes to it', async () => {
  const { page } = pageHome
  await pageHome.view('pair')
  await page.getByRole('button', { name: 'Make a setup code' }).click()
  const timer = page.getByRole('timer')
  const left = async () => {
    const [minutes = 0, seconds = 0] = (await timer.innerText()).split(':').map(Number)
    return minutes * 60 + seconds
  }
  await timer.waitFor()
  assert.is(await focused(), await page.locator('.code').innerText())
  const before = await left()
  assert.ok(before > 590 && before <= 600, `${before} s`)
  await pause(2200)
  const passed = before - (await left())
  assert.ok(passed >= 2 && passed <= 4, `${passed} s less`)
  const { width, height } = (await page.getByRole('img', { name: 'Setup code as a QR code' }).boundingBox()) ?? {}
  assert.ok((width ?? 0) > 100 && width === height)
})

test('every state of the day is told in words, with its reason, and by a fill of its own', async () => {
  const { page, home } = pageHome
  const { archive } = home.agent.archive
  const at = (seconds: number) => START_US + seconds * SECOND
  const boot = 'b007000000000003'
  const stamp = (seconds: number) => ({
    boot,
    clock: 'synchronised' as const,
    monoUs: seconds * SECOND,
    wallUs: at(seconds),
  })
  const gap = (seq: number, fromS: number, forS: number) =>
    headerOf({ kind: 'gap', log: LOG, seq, ...stamp(fromS), durationUs: forS * SECOND })
  await archive.gap(CAMERA, gap(0, 300, 60), 'ring-full')
  await archive.gap(CAMERA, { ...gap(1, 600, 0), durationUs: 0 }, 'camera-off', '', stamp(480))
  const waits = { log: LOG, first: 10, last: 40, boot, clock: 'synchronised' as const }
  const times = { fromMonoUs: 700 * SECOND, toMonoUs: 730 * SECOND, fromWallUs: at(700), toWallUs: at(730) }
  await archive.moment(CAMERA, { ...stamp(740), backlog: [{ ...waits, ...times }] }, at(740))
  await pageHome.view('storage')
  await page.getByRole('button', { name: 'Change the limits of Front door' }).click()
  await page.getByRole('spinbutton', { name: 'GB' }).fill('0.0012')
  await page.getByRole('button', { name: 'Set', exact: true }).click()
  await page.getByText('1.2 MB', { exact: true }).waitFor()
  await until('the oldest has gone', async () => (await timeline()).spans.some(({ state }) => state === 'expired'))
  const forecast = await page.getByText(/A day takes|will reach|a day/).count()
  assert.ok(forecast > 0)
  const kept = (await home.asOwner('/api/v1/storage')).json<Storage>().cameras[0]
  assert.equal([kept?.maxBytes, kept?.ownLimits], [1_200_000, true])
  if (kept?.keepsDays !== null) await page.getByText(/will reach .* by its limit of bytes/).waitFor()

  await pageHome.open(START_US / MS + 130_000)
  const list = page.getByRole('region', { name: 'This day' })
  await list.getByText('on the disk.').waitFor()
  const expected = [
    /Expired for 2 min: more than 1200000 bytes of this camera/,
    /Lost for 1 min: the card was full of footage that was not safe yet/,
    /Camera off for 2 min/,
    /Still on the card for 30 s/,
  ]
  for (const words of expected) await list.getByText(words).waitFor()
  const slider = page.getByRole('slider', { name: /^Timeline/ })
  assert.match((await slider.getAttribute('aria-valuetext')) ?? '', /On the disk for/)
  const box = await slider.boundingBox()
  assert.ok(box !== null)
  await slider.focus()
  for (let times = 0; times < 6; times += 1) await page.keyboard.press('+')
  const tip = async (x: number) => {
    await page.mouse.move(box.x + x, box.y + 44)
    return page.locator('.tip').innerText()
  }
  const clockS = (text: string) => Date.parse(`1970-01-01T${text.slice(0, 8)}Z`) / 1000
  const [leftS, rightS] = [clockS(await tip(1)), clockS(await tip(box.width - 1))]
  const noonS = 12 * 3600
  const told: [number, RegExp][] = [
    [60, /· Expired for 2 min/],
    [150, /· On the disk for 1 min/],
    [240, /· nothing was recorded/],
    [330, /· Lost for 1 min: the card was full/],
    [540, /· Camera off for 2 min/],
    [715, /· Still on the card for 30 s/],
  ]
  for (const [atS, words] of told) {
    assert.match(await tip(1 + ((noonS + atS - leftS) / (rightS - leftS)) * (box.width - 2)), words)
  }
  const fills = await page.evaluate<string[]>(`[...document.querySelectorAll('.legend canvas')].map((canvas) =>
    canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.map((byte) => byte >> 4).join(''))`)
  assert.equal([fills.length, new Set(fills).size], [5, 5])
  const inks = await page.evaluate<number[]>(`[...document.querySelectorAll('.legend canvas')].map((canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
    return new Set(Array.from({ length: data.length / 4 }, (_, at) => data.slice(at * 4, at * 4 + 3).join())).size
  })`)
  assert.is(inks.filter((count) => count > 1).length, 4, 'all but what is stored have a pattern')
})

test('a span is locked and unlocked again', async () => {
  const { page } = pageHome
  await page.getByRole('button', { name: 'Export or lock' }).click()
  await page.getByLabel(/^Lock it/).fill('the parcel')
  await page.getByRole('button', { name: 'Lock', exact: true }).click()
  await page.getByText('Locked.', { exact: true }).waitFor()
  const list = page.getByRole('region', { name: 'This day' })
  await list.getByText('the parcel').waitFor()
  assert.is((await timeline()).locks.length, 1)
  await list.getByRole('button', { name: /^Unlock \d\d:\d\d/ }).click()
  await until('it is gone', async () => (await list.getByText('the parcel').count()) === 0)
  assert.equal((await timeline()).locks, [])
})

test('what this browser cannot decode it says plainly and offers as a download; what it can it plays', async () => {
  const { page, home } = pageHome
  const { archive } = home.agent.archive
  await home.asOwner('/api/v1/cameras/Front-door/retention', { method: 'PUT', body: { maxDays: null, maxBytes: null } })
  const startUs = START_US + 1500 * SECOND
  await film(home, startUs, {
    stream: { ...STREAM, codec: 'h265', sound: false },
    log: LOG2,
    run: 9,
    seq: 900,
    bootedUs: START_US,
  })
  const codec = archive.lastFile(CAMERA, Number.MAX_SAFE_INTEGER)?.row.tracks[0]?.codec ?? ''
  assert.match(codec, /^hvc1/)
  const plays = await page.evaluate<boolean>(`MediaSource.isTypeSupported('video/mp4; codecs="${codec}"')`)
  process.stdout.write(`this Chromium ${plays ? 'plays' : 'does not play'} ${codec}\n`)
  await pageHome.view(`camera/${encodeURIComponent(NAME.replace(' ', '-'))}?at=${startUs / MS}`)
  if (plays) {
    await pageHome.open(startUs / MS)
    return
  }
  await page.getByRole('alert').getByText('This browser cannot play H.265. The footage itself is fine').waitFor()
  const waiting = page.waitForEvent('download')
  await page.getByRole('link', { name: 'Download these 10 minutes' }).click()
  const bytes = await readFile(await (await waiting).path())
  assert.ok(bytes.includes('hvc1') && bytes.byteLength > 10_000)
})

test('every control of every view has a name, and errors are announced', async () => {
  const { page } = pageHome
  const views: [string, string][] = [
    ['', 'Cameras'],
    ['pair', 'Add a camera'],
    ['settings', 'Settings'],
    ['storage', 'Storage'],
    [`camera/${encodeURIComponent(NAME.replace(' ', '-'))}?at=${START_US / MS + 130_000}`, NAME],
  ]
  const nameless = /^\s*- (button|link|textbox|combobox|checkbox|slider|spinbutton|img|progressbar|searchbox)(?! ")/
  for (const [hash, heading] of views) {
    await pageHome.view(hash)
    await page.getByRole('heading', { level: 1, name: heading }).waitFor()
    if (hash === 'storage') await page.getByRole('button', { name: /^Change the limits/ }).click()
    if (hash.startsWith('camera/')) {
      await page.getByRole('button', { name: 'Export or lock' }).click()
      await page.getByText('Rename or forget').click()
    }
    const tree = await page.locator('body').ariaSnapshot()
    assert.equal(
      tree.split('\n').filter((line) => nameless.test(line)),
      [],
      `${heading}\n${tree}`,
    )
    assert.is(await page.getByRole('heading', { level: 1 }).count(), 1, heading)
    const title = await page.title()
    if (!hash.startsWith('camera/')) assert.is(title, `${heading} · Homeward`)
    await page.keyboard.press('Tab')
    const outline = await page.evaluate<string>('getComputedStyle(document.activeElement).outlineStyle')
    assert.is.not(outline, 'none', `${heading}: focus can be seen`)
  }
})

test('a camera is renamed and forgotten', async () => {
  const { page } = pageHome
  await page.getByLabel('Name', { exact: true }).fill('Back door')
  await page.getByRole('button', { name: 'Rename', exact: true }).click()
  await page.getByRole('heading', { level: 1, name: 'Back door' }).waitFor()
  await page.getByRole('button', { name: 'Forget this camera' }).click()
  await page.getByRole('button', { name: 'Yes, forget Back door' }).click()
  await page.getByText('Forgotten; its footage stays').waitFor()
  assert.is(
    (await timeline()).spans.some(({ state }) => state === 'stored'),
    true,
  )
})

test('signing out everywhere ends other browsers too', async () => {
  const { page, home } = pageHome
  const other = await home.signIn()
  const ask = async () => (await home.ask('/api/v1/status', { headers: { cookie: other } })).status
  assert.is(await ask(), 200)
  await pageHome.view('settings')
  await page.getByRole('button', { name: 'Sign out everywhere' }).click()
  await page.getByRole('button', { name: 'Yes, here too' }).click()
  await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  assert.is(await ask(), 401)
})

test('nothing on the page went wrong unseen', () => {
  assert.equal(pageHome.browser.faults, [])
})

always.run()
