/** A real Chromium for tests of the page, with an empty profile, and the whole home that it looks at. */
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { TestHome } from './test-home.ts'

const EXECUTABLE = '/usr/bin/chromium'
export const hasBrowser = existsSync(EXECUTABLE)
const ARGS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync', '--mute-audio'],
]
export const PASSWORD = 'correct horse battery'

export interface BrowserOptions {
  readonly dark?: boolean
  readonly width?: number
  readonly height?: number
  readonly timeZone?: string
}

export class Browser {
  readonly context: BrowserContext
  readonly page: Page
  /** What the page wrote to its console as an error, and what it threw. */
  readonly faults: string[] = []
  readonly #profile: string

  private constructor(context: BrowserContext, page: Page, profile: string) {
    this.context = context
    this.page = page
    this.#profile = profile
    page.on('pageerror', (error) => this.faults.push(String(error)))
    page.on('console', (message) => {
      // The browser notes every answer of 400 and more; the page shows those.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
        this.faults.push(message.text())
      }
    })
  }

  static async start(options: BrowserOptions = {}): Promise<Browser> {
    const { dark = false, width = 1280, height = 900, timeZone } = options
    const profile = await mkdtemp(join(tmpdir(), 'homeward-browser-'))
    const context = await chromium.launchPersistentContext(profile, {
      ...{ executablePath: EXECUTABLE, args: ARGS, headless: true, chromiumSandbox: false, ignoreHTTPSErrors: true },
      ...{ colorScheme: dark ? 'dark' : 'light', viewport: { width, height } },
      ...(timeZone === undefined ? {} : { timezoneId: timeZone }),
    })
    const page = context.pages()[0] ?? (await context.newPage())
    page.setDefaultTimeout(15_000)
    return new Browser(context, page, profile)
  }

  async close(): Promise<void> {
    await this.context.close()
    await rm(this.#profile, { recursive: true, force: true })
  }
}

export interface Claim {
  readonly code: string
  readonly url: string
}

/** A code for the first visit, and where to visit. */
export async function claimCode(home: TestHome): Promise<Claim> {
  const { code, urls } = (await home.program('storage').call('claim')) as { code: string; urls: readonly string[] }
  return { code, url: urls[0] ?? '' }
}

/** Goes through the first visit. */
export async function claim(page: Page, { code, url }: Claim): Promise<void> {
  await page.goto(url)
  await page.getByLabel('Claim code').fill(code)
  await page.getByLabel('New password').fill(PASSWORD)
  await page.getByLabel('The same again').fill(PASSWORD)
  await page.getByRole('button', { name: 'Claim' }).click()
  await page.getByRole('heading', { name: 'Cameras' }).waitFor()
}

export async function startedHome(): Promise<TestHome> {
  const home = await TestHome.create()
  await home.startServer()
  await home.startStorage()
  return home
}
