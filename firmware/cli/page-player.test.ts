// time-out: 120 s
/** Playing in a real Chromium: speeds, edges and gaps with the played time checked, keys and touch, days of 23 and 25 hours. */
import { test as always } from 'uvu'
import * as assert from 'uvu/assert'
import { LOG, SECOND } from '../storage/archive/archive-fixture.ts'
import { boundsOf, clockText, dayAt } from '../storage/ui/time/zone.ts'
import { film, STREAM } from '../storage/web/footage-fixture.ts'
import { nowUs } from '../storage/web/web-fixture.ts'
import { hasBrowser } from './browser-fixture.ts'
import { PageHome, pause, until } from './page-home-fixture.ts'

const test = hasBrowser ? always : always.skip
if (!hasBrowser) process.stdout.write('skipped: chromium is not installed\n')

const ZONE = 'Europe/Berlin'
const MINUTE = { ...STREAM, seconds: 60, sound: false }
const HOUR_S = 3600
/** Yesterday at noon: no midnight is near. */
const START_US = (boundsOf(dayAt(nowUs() / 1000, ZONE), ZONE).fromMs - 12 * 3_600_000) * 1000
const START_MS = START_US / 1000

const MINUTES = { stream: MINUTE, bootedUs: START_US }

let pageHome: PageHome

always.before(async () => {
  if (!hasBrowser) return
  pageHome = await PageHome.start({ timeZone: ZONE })
  const { home } = pageHome
  // Two files without a gap, half a minute of nothing, a third one.
  await film(home, START_US, { ...MINUTES })
  await film(home, START_US + 60 * SECOND, { ...MINUTES, run: 1, seq: 100 })
  await film(home, START_US + 150 * SECOND, { ...MINUTES, run: 2, seq: 200 })
})
always.after(async () => {
  await pageHome?.close()
})

const slider = () => pageHome.page.getByRole('slider', { name: /^Timeline/ })
const sliderS = async () => Number(await slider().getAttribute('aria-valuenow'))

test('each speed from ½× to 16× plays as much of the day as it says', async () => {
  const { page } = pageHome
  await pageHome.open(START_MS)
  await page.getByRole('button', { name: 'Play', exact: true }).click()
  for (const rate of [0.5, 1, 2, 4, 8, 16]) {
    await page.getByLabel('Speed').selectOption(String(rate))
    const { filmS: stood } = await pageHome.position()
    await until('it moves', async () => (await pageHome.position()).filmS > stood + 0.2 * rate)
    const from = await pageHome.position()
    await pause(1000)
    const to = await pageHome.position()
    const seen = (to.filmS - from.filmS) / (to.atS - from.atS)
    assert.ok(Math.abs(seen / rate - 1) < 0.2, `${seen.toFixed(2)}× instead of ${rate}×`)
  }
  await page.getByRole('button', { name: 'Pause' }).click()
})

test('at 16× over a file edge and a gap: all footage is played once, the gap alone is skipped, and said', async () => {
  const { page } = pageHome
  await pageHome.open(START_MS)
  await page.getByLabel('Speed').selectOption('16')
  await page.getByRole('button', { name: 'Play', exact: true }).click()
  const seen = [await pageHome.position()]
  let skipped = ''
  const ended = page.getByText('End of the footage')
  while ((await ended.count()) === 0 && seen.length < 600) {
    await pause(40)
    seen.push(await pageHome.position())
    skipped ||= (await page.locator('.badge', { hasText: 'skipped' }).allInnerTexts())[0] ?? ''
  }
  const [first, last] = [seen[0], seen.at(-1)]
  assert.ok(first !== undefined && last !== undefined)
  const gaps = seen.slice(1).flatMap(({ filmS }, at) => {
    const stepS = filmS - (seen[at]?.filmS ?? 0)
    assert.ok(stepS > -0.05, `it goes back by ${-stepS} s`)
    return stepS > 25 ? [stepS] : []
  })
  assert.is(
    gaps.length,
    1,
    `jumps of ${gaps.join(', ')} s, up to ${last.filmS - first.filmS} s, in ${last.atS - first.atS} s`,
  )
  assert.ok(Math.abs(last.filmS - first.filmS - 210) < 1.5, `${last.filmS - first.filmS} s of the day`)
  const footageS = 180
  assert.ok(last.atS - first.atS > footageS / 16 - 1, `${footageS} s of footage in ${last.atS - first.atS} s`)
  const clock = (seconds: number) => clockText(START_MS + seconds * 1000, ZONE)
  assert.match(skipped, new RegExp(`Nothing between (${clock(119)}|${clock(120)}) and ${clock(150)}: 30 s skipped`))
})

test('single pictures over the edge of a file, there and back', async () => {
  const { page } = pageHome
  await pageHome.open(START_MS + 59_750)
  const step = async (name: string) => {
    const { filmS } = await pageHome.position()
    await page.getByRole('button', { name }).click()
    await until('another picture', async () => Math.abs((await pageHome.position()).filmS - filmS) > 0.05)
    return (await pageHome.position()).filmS - filmS
  }
  await step('One picture forth')
  for (const name of ['One picture forth', 'One picture back']) {
    for (let times = 0; times < 5; times += 1) {
      const movedS = await step(name)
      assert.ok(Math.abs(Math.abs(movedS) - 0.1) < 0.02, `${name}: ${movedS} s at 10 pictures a second`)
    }
  }
})

test('keys on the timeline: arrows, Home and End, pieces, zoom', async () => {
  const { page } = pageHome
  await pageHome.open(START_MS + 20_000)
  await slider().focus()
  const isAt = async (expectedS: number) => Math.abs((await sliderS()) - START_MS / 1000 - expectedS) <= 1
  // The picture may be there before the slider says so.
  await until('the slider says where it is', () => isAt(20))
  const press = async (key: string, expectedS: number) => {
    await page.keyboard.press(key)
    await until(`${key} → ${expectedS}`, () => isAt(expectedS))
  }
  await press('ArrowRight', 30)
  await press('ArrowLeft', 20)
  await press('Shift+ArrowRight', 80)
  await press('.', 150)
  await press(',', 0)
  await press('ArrowRight', 10)
  await press('Home', 0)
  assert.match((await slider().getAttribute('aria-valuetext')) ?? '', /On the disk for 2 min/)
  await page.keyboard.press('End')
  await page.getByText('End of the footage').waitFor()
  assert.is(await sliderS(), Number(await slider().getAttribute('aria-valuemax')))

  await pageHome.open(START_MS + 20_000)
  await slider().focus()
  const left = async () => {
    const box = await slider().boundingBox()
    assert.ok(box !== null)
    await page.mouse.move(box.x + 200, box.y + 40)
    await page.mouse.move(box.x + 1, box.y + 40)
    return (await page.locator('.tip').innerText()).slice(0, 4)
  }
  assert.is(await left(), '00:0', 'the whole day')
  for (let times = 0; times < 12; times += 1) await page.keyboard.press('+')
  assert.is.not(await left(), '00:0')
  for (let times = 0; times < 12; times += 1) await page.keyboard.press('-')
  assert.is(await left(), '00:0')
  for (let times = 0; times < 4; times += 1) await page.keyboard.press('=')
  await page.keyboard.press('0')
  assert.is(await left(), '00:0')
})

test('touch: a finger looks through the day and lets go to play there, two fingers zoom', async () => {
  const { page, browser } = pageHome
  await pageHome.open(START_MS + 20_000)
  await slider().scrollIntoViewIfNeeded()
  const box = await slider().boundingBox()
  assert.ok(box !== null)
  const input = await browser.context.newCDPSession(page)
  const touch = (type: string, ...xs: readonly number[]) =>
    input.send('Input.dispatchTouchEvent', {
      type: type as 'touchStart',
      touchPoints: xs.map((x, id) => ({ x: box.x + x, y: box.y + 40, id })),
    })
  const before = await sliderS()
  await touch('touchStart', box.width / 2)
  await touch('touchMove', box.width / 4)
  await until('the finger is followed', async () => (await page.locator('.picture canvas').isVisible()) === true)
  const [fromS, toS] = [
    Number(await slider().getAttribute('aria-valuemin')),
    Number(await slider().getAttribute('aria-valuemax')),
  ]
  await until('a quarter', async () => Math.abs((await sliderS()) - fromS - (toS - fromS) / 4) < 120)
  await touch('touchMove', 1)
  await touch('touchEnd')
  await until('the first footage behind it', async () => Math.abs((await sliderS()) - START_MS / 1000) <= 1)
  assert.is.not(before, await sliderS())

  await touch('touchStart', box.width / 2 - 20)
  await touch('touchStart', box.width / 2 - 20, box.width / 2 + 20)
  await touch('touchMove', box.width / 2 - 200, box.width / 2 + 200)
  await touch('touchEnd')
  await page.mouse.move(box.x + 200, box.y + 40)
  await page.mouse.move(box.x + 1, box.y + 40)
  assert.is.not((await page.locator('.tip').innerText()).slice(0, 5), '00:00', 'it is zoomed')
})

test('days on which the clocks change have 25 and 23 hours; an hour that comes twice is told apart', async () => {
  const { page, home } = pageHome
  const short = { ...STREAM, sound: false }
  const autumn = Date.UTC(2026, 9, 25, 0, 30)
  const spring = Date.UTC(2026, 2, 29, 0, 59, 56)
  const past = { stream: short, log: LOG, bootedUs: Date.UTC(2026, 2, 1) * 1000, boot: 'b007000000000002' }
  await film(home, spring * 1000, past)
  await film(home, autumn * 1000, { ...past, run: 1, seq: 100 })
  await film(home, (autumn + HOUR_S * 1000) * 1000, { ...past, run: 2, seq: 200 })
  const lengthH = async () =>
    (Number(await slider().getAttribute('aria-valuemax')) - Number(await slider().getAttribute('aria-valuemin'))) /
    HOUR_S
  const time = () => page.locator('.controls .time').innerText()
  await pageHome.open(autumn)
  assert.equal([await lengthH(), await time()], [25, '02:30:00 GMT+2'])
  assert.match((await slider().getAttribute('aria-valuetext')) ?? '', /^02:30:00 GMT\+2 · On the disk for 6 s/)
  await slider().focus()
  await page.keyboard.press('PageDown')
  await until('an hour on', async () => (await time()) === '02:30:00 GMT+1')
  assert.is(await page.getByText('Nothing was recorded for 59 min 54 s').count(), 1)

  await pageHome.open(spring)
  assert.equal([await lengthH(), await time()], [23, '01:59:56 GMT+1'])
  await page.getByRole('button', { name: 'Play', exact: true }).click()
  await until('from 2 to 3 at once', async () => (await time()).startsWith('03:00:0'))
  await page.getByText('End of the footage').waitFor()
})

test('nothing on the page went wrong unseen', () => {
  assert.equal(pageHome.browser.faults, [])
})

always.run()
