// time-out: 150 s
/**
 * The page in a real Chromium, with the real programs behind it: from the first visit to an export whose frames are those
 * that the camera filmed. One home for all tests, in their order: what one did the next one finds.
 */
import { readFile } from 'node:fs/promises'
import { test as always } from 'uvu'
import * as assert from 'uvu/assert'
import { readFrameNumbers } from '../camera/encoder/frame-numbers.ts'
import { clockText } from '../storage/ui/time/zone.ts'
import type { Camera, Cameras, ExportPlan, Timeline } from '../storage/web/api.ts'
import { Browser, claimCode, hasBrowser, PASSWORD, startedHome } from './browser-fixture.ts'
import type { TestHome } from './test-home.ts'

/** Chromium is not packaged for every machine that runs the tests. */
const test = hasBrowser ? always : always.skip
if (!hasBrowser) process.stdout.write('skipped: chromium is not installed\n')

const ZONE = 'Europe/Berlin'
const SOURCE = 'fake:fps=20,gop=20,size=320x192,bitrate=800000'
const DAY_MS = 86_400_000

let home: TestHome
let browser: Browser
let url = ''

always.before(async () => {
  if (!hasBrowser) return
  home = await startedHome()
  browser = await Browser.start({ timeZone: ZONE })
})
always.after(async () => {
  await browser?.close()
  await home?.close()
})

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const videoS = () => browser.page.evaluate<number>('document.querySelector("video").currentTime')
const get = <Answer>(path: string) =>
  browser.page.evaluate<Answer>(`fetch(${JSON.stringify(path)}).then((response) => response.json())`)

async function theCamera(): Promise<Camera> {
  const { cameras } = await get<Cameras>('/api/v1/cameras')
  assert.is(cameras.length, 1)
  return cameras[0] as Camera
}

const timelineOf = ({ id }: Camera) =>
  get<Timeline>(`/api/v1/cameras/${encodeURIComponent(id)}/timeline?from=${Date.now() - DAY_MS}&to=${Date.now()}`)

async function open({ id }: Camera, atMs: number): Promise<void> {
  // By way of another view: the address alone does not load the page again.
  await browser.page.goto(`${url}#/`)
  await browser.page.goto(`${url}#/camera/${encodeURIComponent(id)}?at=${Math.round(atMs)}`)
  for (let round = 0; round < 200; round += 1) {
    if (await browser.page.evaluate<boolean>('document.querySelector("video")?.readyState >= 2')) return
    await pause(50)
  }
  assert.unreachable('no picture within 10 s')
}

test('first visit: a wrong claim code is refused in words, the right one and a password let the owner in', async () => {
  const { page } = browser
  const claim = await claimCode(home)
  url = claim.url
  await page.goto(url)
  const first = page.getByRole('heading', { name: 'Claim this storage device' })
  await first.waitFor()
  await page.getByLabel('Claim code').fill('WRONG-CODE')
  await page.getByLabel('New password').fill(PASSWORD)
  await page.getByLabel('The same again').fill(`${PASSWORD}!`)
  assert.is(await page.getByText('The two passwords differ').count(), 1)
  await page.getByLabel('The same again').fill(PASSWORD)
  await page.getByRole('button', { name: 'Claim' }).click()
  await page.getByRole('alert').getByText('homeward storage claim').waitFor()
  await page.getByLabel('Claim code').fill(claim.code.toLowerCase())
  await page.getByRole('button', { name: 'Claim' }).click()
  await page.getByRole('heading', { name: 'Cameras' }).waitFor()
})

test('signing out everywhere, a wrong password in words, and in again', async () => {
  const { page } = browser
  await page.goto(`${url}#/settings`)
  await page.getByRole('button', { name: 'Sign out everywhere' }).click()
  await page.getByRole('button', { name: 'Yes, here too' }).click()
  await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  await page.getByLabel('Password').fill('not the password')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('alert').getByText('homeward storage passwd').waitFor()
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('heading', { name: 'Settings' }).waitFor()
})

test('a camera is paired by the setup code of the page, and its live picture is at most 3 s behind', async () => {
  const { page } = browser
  await page.goto(`${url}#/pair`)
  await page.getByLabel('What it will be called').fill('Front door')
  await page.getByRole('button', { name: 'Make a setup code' }).click()
  const code = await page.locator('.code').innerText()
  await page.getByRole('img', { name: 'Setup code as a QR code' }).waitFor()
  await home.startCamera('front', SOURCE)
  await home.program('front').call('setup', { code, name: 'Front door' })
  await page.getByText('Front door is paired').waitFor()
  await home.until('front', 'storing', ({ seq }) => seq.acked > 1)
  await page.getByText('Its footage is arriving').waitFor()
  await page.getByRole('link', { name: 'Look at it' }).click()
  await page.locator('.badge.live').waitFor()
  await pause(2500)
  const behind: number[] = []
  const before = await videoS()
  for (let round = 0; round < 8; round += 1) {
    await pause(250)
    behind.push(Number(/([\d.]+) s behind/.exec(await page.locator('.badge.live').innerText())?.[1]))
  }
  assert.ok(Math.max(...behind) <= 3, `behind by ${behind.join(', ')} s`)
  assert.ok((await videoS()) - before > 1.5, 'the live picture moves')
})

test('a list of cameras with a still that is a picture', async () => {
  const { page } = browser
  await page.goto(`${url}#/`)
  await page.getByText('Recording').waitFor()
  await page.locator('.still .when').waitFor()
  const colours = await page.evaluate<number>(`(() => {
    const canvas = document.querySelector('.still canvas')
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
    return new Set(data.filter((_, at) => at % 4 === 0)).size * (canvas.width === 320 ? 1 : 0)
  })()`)
  assert.ok(colours >= 2, `${colours} shades in a still of the frame number`)
})

test('a file ends, the camera is off for a while: the timeline says so', async () => {
  const { page } = browser
  const storage = home.program('storage')
  storage.signal('SIGKILL')
  await storage.exited
  await home.startStorage()
  url = (await claimUrl()) ?? url
  await home.until('front', 'connected', ({ state }) => state === 'connected')
  await pause(4000)
  const front = home.program('front')
  front.signal('SIGKILL')
  await front.exited
  await pause(3000)
  await home.startCamera('front', SOURCE)
  const { seq } = await home.status('front')
  await home.until('front', 'storing again', (status) => status.seq.acked > seq.acked + 4)
  await home.drain('front')

  await page.goto(url)
  await page.getByText('Front door').waitFor()
  const camera = await theCamera()
  const { spans } = await timelineOf(camera)
  const [before, after] = spans.filter(({ state }) => state === 'stored')
  assert.ok(before !== undefined && after !== undefined && after.fromMs - before.toMs > 2500, JSON.stringify(spans))
  await open(camera, before.fromMs)
  await page
    .getByText(/(Nothing was recorded|Camera off) for \d/)
    .first()
    .waitFor()
  const slider = page.getByRole('slider')
  assert.match((await slider.getAttribute('aria-valuetext')) ?? '', /^\d\d:\d\d:\d\d · On the disk for/)
})

test('it plays over the edge of a file without a jump, for as long as it was filmed', async () => {
  const { page } = browser
  const camera = await theCamera()
  const { spans } = await timelineOf(camera)
  const [before] = spans.filter(({ state }) => state === 'stored')
  const edgeMs = await edgeIn(camera, before?.fromMs ?? 0, before?.toMs ?? 0)
  await open(camera, edgeMs - 1500)
  await page.getByRole('button', { name: 'Play', exact: true }).click()
  const seen: { readonly atS: number; readonly shownS: number }[] = []
  const started = performance.now()
  while (performance.now() - started < 3500) {
    const shownS = await videoS()
    seen.push({ atS: (performance.now() - started) / 1000, shownS })
    await pause(50)
  }
  const [first, last] = [seen[0], seen.at(-1)]
  assert.ok(first !== undefined && last !== undefined)
  const leads = seen.slice(1).map(({ atS, shownS }, at) => {
    const before = seen[at] ?? first
    assert.ok(shownS >= before.shownS - 0.05, `it goes back from ${before.shownS} to ${shownS}`)
    return shownS - before.shownS - (atS - before.atS)
  })
  assert.ok(Math.max(...leads) < 0.5, `it jumps: ${Math.max(...leads)} s more than had passed`)
  const [playedS, tookS] = [last.shownS - first.shownS, last.atS - first.atS]
  assert.ok(Math.abs(playedS - tookS) < 0.8, `${playedS} s of footage in ${tookS} s`)
  await page.getByRole('button', { name: 'Pause' }).click()
  const stood = await videoS()
  await page.getByRole('button', { name: 'One picture forth' }).click()
  assert.ok(Math.abs((await videoS()) - stood - 0.05) < 0.051, 'one picture of 20 a second')
  const stepped = await videoS()
  await page.getByRole('button', { name: 'One picture forth' }).click()
  assert.ok(Math.abs((await videoS()) - stepped - 0.05) < 0.006, 'exactly one picture')
  await page.getByRole('button', { name: 'One picture back' }).click()
  assert.ok(Math.abs((await videoS()) - stepped) < 0.006, 'and back')
})

test('it plays over a gap at 4×, and says what it skipped', async () => {
  const { page } = browser
  const camera = await theCamera()
  const { spans } = await timelineOf(camera)
  const [before, after] = spans.filter(({ state }) => state === 'stored')
  const start = (before?.toMs ?? 0) - 3000
  await open(camera, start)
  await page.getByLabel('Speed').selectOption('4')
  await page.getByRole('button', { name: 'Play', exact: true }).click()
  await page.getByText('skipped').waitFor()
  const shown = await page.locator('.controls .time').innerText()
  assert.ok(shown >= clockText((after?.fromMs ?? 0) - 1000, ZONE), `${shown} is behind the gap`)
  await page.getByText('End of the footage').waitFor()
})

test('an export holds the frames that are stored, each once and in order', async () => {
  const { page } = browser
  const camera = await theCamera()
  const { firstMs, lastMs } = camera.stored
  await open(camera, firstMs ?? 0)
  await page.getByRole('button', { name: 'Export or lock' }).click()
  await page.getByLabel('To', { exact: true }).fill(clockText((lastMs ?? 0) + 1000, ZONE))
  await page.getByLabel('From', { exact: true }).fill(clockText(firstMs ?? 0, ZONE))
  const plan = await get<ExportPlan>(
    `/api/v1/cameras/${encodeURIComponent(camera.id)}/export?from=${firstMs}&to=${lastMs}`,
  )
  await page.getByText('gap closed').waitFor()
  const waiting = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Export', exact: true }).click()
  const path = await (await waiting).path()
  const bytes = await readFile(path)
  const names = readFrameNumbers(bytes).map(({ runId, frame }) => `${runId} ${frame}`)
  const stored = (await home.storedFrames()).map(({ runId, frame }) => `${runId} ${frame}`)
  assert.equal([...names].sort(), stored.sort())
  for (const [run, frames] of groups(names))
    assert.equal(
      frames,
      [...frames].sort((a, b) => a - b),
      run,
    )
  assert.is(bytes.byteLength, plan.bytes)
})

test('nothing on the page went wrong unseen', () => {
  assert.equal(browser.faults, [])
})

function groups(names: readonly string[]): Map<string, number[]> {
  const found = new Map<string, number[]>()
  for (const name of names) {
    const [run = '', frame = ''] = name.split(' ')
    found.set(run, [...(found.get(run) ?? []), Number(frame)])
  }
  return found
}

/** Its port is another one after a restart. */
async function claimUrl(): Promise<string | undefined> {
  const log = await readFile(home.program('storage').log, 'utf8')
  const ports = [...log.matchAll(/"port":(\d+),"tls":(true|false),"msg":"the page is served"/g)]
  const [, port, tls] = ports.at(-1) ?? []
  return port === undefined ? undefined : `http${tls === 'true' ? 's' : ''}://127.0.0.1:${port}/`
}

/** Where the second file of the span begins. */
async function edgeIn({ id }: Camera, fromMs: number, toMs: number): Promise<number> {
  const text = await browser.page.evaluate<string>(
    `fetch('/api/v1/cameras/${encodeURIComponent(id)}/playlist.m3u8?from=${fromMs}&to=${toMs}').then((one) => one.text())`,
  )
  const [, second] = [...text.matchAll(/#EXT-X-PROGRAM-DATE-TIME:(\S+)/g)].map((match) => Date.parse(match[1] ?? ''))
  assert.ok(second !== undefined, 'there are two files')
  return second
}

always.run()
