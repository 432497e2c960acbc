/**
 * A storage device in this process and a real Chromium that its owner is signed in with: for tests that need footage of other
 * days or formats than a camera could film meanwhile. It goes through the archive as what cameras send does.
 */

import * as assert from 'uvu/assert'
import { formatUid } from '../link/uid.ts'
import { CAMERA } from '../storage/archive/archive-fixture.ts'
import { PAGE_FOLDER } from '../storage/page-folder.ts'
import { type WebHome, withHome } from '../storage/web/web-fixture.ts'
import { Browser, type BrowserOptions } from './browser-fixture.ts'

const WITHIN_MS = 15_000
const LOOK_MS = 50

export class PageHome {
  readonly home: WebHome
  readonly browser: Browser
  readonly url: string
  readonly #end: () => Promise<void>

  private constructor(home: WebHome, browser: Browser, end: () => Promise<void>) {
    this.home = home
    this.browser = browser
    this.url = `http://127.0.0.1:${home.port}/`
    this.#end = end
  }

  static async start(options: BrowserOptions = {}): Promise<PageHome> {
    let leave = () => {}
    const left = new Promise<void>((resolve) => {
      leave = resolve
    })
    let done: Promise<void> = Promise.resolve()
    const home = await new Promise<WebHome>((resolve, reject) => {
      const stay = (opened: WebHome) => {
        resolve(opened)
        return left
      }
      done = withHome(stay, { pageFolder: PAGE_FOLDER })
      done.catch(reject)
    })
    const browser = await Browser.start(options)
    const page = new PageHome(home, browser, async () => {
      await browser.close()
      leave()
      await done
    })
    await page.signIn()
    return page
  }

  get page() {
    return this.browser.page
  }

  async signIn(): Promise<void> {
    const cookies = (await this.home.signIn()).split('; ').map((text) => {
      const [name = '', value = ''] = text.split('=')
      return { name, value, url: this.url }
    })
    await this.browser.context.addCookies(cookies)
  }

  /** By way of another view: the address alone does not load the page again. */
  async view(hash: string): Promise<void> {
    await this.page.goto(`${this.url}#/${hash === 'storage' ? 'settings' : 'storage'}`)
    await this.page.goto(`${this.url}#/${hash}`)
  }

  /** The camera's day, with a picture of that moment. */
  async open(atMs: number): Promise<void> {
    await this.view(`camera/${encodeURIComponent(formatUid(CAMERA))}?at=${Math.round(atMs)}`)
    await until('a picture', () => this.page.evaluate<boolean>('document.querySelector("video")?.readyState >= 2'))
  }

  /** Where the film is, in s, and the page's clock. */
  position(): Promise<{ readonly filmS: number; readonly atS: number }> {
    return this.page.evaluate('({ filmS: document.querySelector("video").currentTime, atS: performance.now() / 1000 })')
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.#end()
  }
}

export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Polls from outside: the page's policy lets nothing be evaluated from strings. */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + WITHIN_MS
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, `not within ${WITHIN_MS} ms: ${what}`)
    await pause(LOOK_MS)
  }
}
