/** How soon the page is there in a browser with an empty cache, and how soon footage shows that is opened at a moment. */
import { Browser, hasBrowser, PASSWORD } from '../../firmware/cli/browser-fixture.ts'
import type { Camera } from '../../firmware/storage/web/api.ts'
import { HomewardError } from '../../firmware/wire/errors.ts'
import { pause } from './home.ts'
import type { Month } from './page-month.ts'
import type { Row } from './row.ts'

const SOURCE = 'fake:fps=30,gop=60,size=1280x720,bitrate=4000000'
const NAME = 'Front door'
const FILMED_MS = 40_000
const TIMES = 10
const LIMIT_MS = { paint: 1500, list: 1500, seek: 500 } as const

/** No rows without a browser. */
export async function pagePaint({ home, owner, cameras }: Month): Promise<Row[]> {
  if (!hasBrowser) return []
  await home.startCamera('front', SOURCE)
  const { setupCode } = (await home.program('storage').call('pair', { name: NAME })) as { setupCode: string }
  await home.program('front').call('setup', { code: setupCode, name: NAME })
  await pause(FILMED_MS)
  await home.drain('front')
  const browser = await Browser.start()
  const { page, context } = browser
  const url = `http://127.0.0.1:${owner.port}/`
  try {
    await page.goto(url)
    await page.getByLabel('Password').fill(PASSWORD)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('heading', { name: 'Cameras' }).waitFor()
    const camera = await page.evaluate<Camera | undefined>(
      `fetch('/api/v1/cameras').then((answer) => answer.json()).then(({ cameras }) => cameras.find(({ name }) => name === '${NAME}'))`,
    )
    if (camera === undefined) throw new HomewardError('INTERNAL', `no camera ${NAME} in the list`)

    const devtools = await context.newCDPSession(page)
    const painted: number[] = []
    const listed: number[] = []
    for (let time = 0; time < TIMES; time += 1) {
      await page.goto('about:blank')
      await devtools.send('Network.clearBrowserCache')
      await page.goto(url)
      listed.push(await page.evaluate<number>(whenListed(cameras + 1)))
      painted.push(await page.evaluate<number>(WHEN_PAINTED))
    }

    const { firstMs, lastMs } = camera.stored
    if (firstMs === null || lastMs === null) throw new HomewardError('INTERNAL', `${NAME} has stored nothing`)
    const opened: number[] = []
    for (let time = 0; time < TIMES; time += 1) {
      const atMs = Math.round(firstMs + ((time * 7) % TIMES) * ((lastMs - firstMs - 2000) / TIMES))
      opened.push(await page.evaluate<number>(untilPicture(`#/camera/${encodeURIComponent(camera.id)}?at=${atMs}`)))
    }
    const row = (name: string, most: number, ours: readonly number[], notes: readonly string[]): Row => ({
      ...{ name, unit: 'ms', ours, rival: [most], rivalName: 'limit', target: { most: 1 }, by: 'worst', notes },
    })
    return [
      row('page: first contentful paint', LIMIT_MS.paint, painted, [`Chromium, empty cache, ${TIMES} times`]),
      row('page: all cameras listed', LIMIT_MS.list, listed, [`${cameras + 1} cameras, from the start of the load`]),
      row('page: a moment opened, first picture', LIMIT_MS.seek, opened, [
        `1280 × 720, a key frame every 2 s; from another view: timeline of the day, playlist, init segment, fragment, decoding`,
      ]),
    ]
  } finally {
    await browser.close()
  }
}

const WHEN_PAINTED = `new Promise((resolve) => {
  const look = (list) => {
    const [entry] = list.getEntriesByName('first-contentful-paint')
    if (entry !== undefined) resolve(entry.startTime)
  }
  new PerformanceObserver(look).observe({ type: 'paint', buffered: true })
})`

const whenListed = (count: number) => `new Promise((resolve) => {
  const look = () =>
    document.querySelectorAll('article.camera').length >= ${count}
      ? requestAnimationFrame(() => resolve(performance.now()))
      : setTimeout(look, 5)
  look()
})`

/** From the address until the browser shows a frame. */
const untilPicture = (hash: string) => `new Promise((resolve) => {
  location.hash = '#/'
  setTimeout(() => {
    const from = performance.now()
    location.hash = ${JSON.stringify(hash)}
    const look = () => {
      const video = document.querySelector('video')
      if (video === null) setTimeout(look, 1)
      else video.requestVideoFrameCallback(() => resolve(performance.now() - from))
    }
    look()
  }, 500)
})`
