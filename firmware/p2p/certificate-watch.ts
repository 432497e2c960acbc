/** Certificates are renewed while the server runs: their files are looked at now and then, and at once when somebody asks. */
import { stat } from 'node:fs/promises'
import { type Certificate, type CertificateFiles, loadCertificate } from '../link/certificate.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import { isHomewardError } from '../wire/errors.ts'

/** A renewed certificate is good for weeks, and so was the one before. */
export const LOOK_EVERY_MS = 60_000

export interface CertificateWatchOptions {
  readonly stateDir: string
  readonly files: CertificateFiles
  readonly clock: Clock
  /** Another certificate than before. */
  readonly onRenewed: (certificate: Certificate) => void
  /** What is there is no use: the one before stays. Told once for each state of the files. */
  readonly onProblem: (message: string) => void
}

export class CertificateWatch {
  readonly #options: CertificateWatchOptions
  #known: string | undefined
  #current: Certificate
  #timer: Timer | undefined
  #looking: Promise<void> = Promise.resolve()
  #isClosed = false

  /** `current`: as it was loaded at the start. */
  constructor(options: CertificateWatchOptions, current: Certificate) {
    this.#options = options
    this.#current = current
  }

  async start(): Promise<void> {
    this.#known = await this.#mark()
    this.#again()
  }

  /** Looks now, whether or not the files seem to have changed. */
  reload(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#load())
    return this.#looking
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#looking
  }

  #again(): void {
    if (this.#isClosed) return
    this.#timer = this.#options.clock.after(LOOK_EVERY_MS, () => {
      this.#looking = this.#looking
        .then(async () => {
          if ((await this.#mark()) !== this.#known) await this.#load()
        })
        .finally(() => this.#again())
    })
  }

  async #load(): Promise<void> {
    const { stateDir, files, onRenewed, onProblem } = this.#options
    if (this.#isClosed) return
    this.#known = await this.#mark()
    try {
      const certificate = await loadCertificate(stateDir, files)
      if (certificate.cert === this.#current.cert && certificate.key === this.#current.key) return
      this.#current = certificate
      onRenewed(certificate)
    } catch (error) {
      if (!isHomewardError(error)) throw error
      onProblem(error.message)
    }
  }

  /** Another one when either file was written or replaced. */
  async #mark(): Promise<string> {
    const { cert, key } = this.#options.files
    const marks = [cert, key].map((path) =>
      stat(path).then(
        ({ mtimeMs, size, ino }) => `${ino} ${size} ${mtimeMs}`,
        () => 'none',
      ),
    )
    return (await Promise.all(marks)).join(', ')
  }
}
