/** The `key=value,key=value` part of a source, and checks that name the key, the value and what was expected. */
import { HomewardError } from '../../wire/errors.ts'
import type { FrameRate, PictureSize } from './picture.ts'

/** The options of one source. Every reader names what it took; `done` refuses what nobody asked for. */
export class SourceOptions {
  readonly #spec: string
  readonly #values = new Map<string, string>()
  readonly #known: string[] = []

  /** `spec` is the whole source for messages, `items` its parts between the commas. Throws USAGE. */
  constructor(spec: string, items: readonly string[]) {
    this.#spec = spec
    for (const item of items) {
      const equals = item.indexOf('=')
      const key = item.slice(0, Math.max(equals, 0))
      if (key === '') throw new HomewardError('USAGE', `source ${spec}: "${item}" is not an option, expected key=value`)
      if (this.#values.has(key)) throw new HomewardError('USAGE', `source ${spec}: ${key} is given twice`)
      this.#values.set(key, item.slice(equals + 1))
    }
  }

  /** The option as written, or undefined. */
  take(key: string): string | undefined {
    this.#known.push(key)
    return this.#values.get(key)
  }

  /** Throws CONFIG_INVALID. */
  integer(key: string, fallback: number, min: number, max: number): number {
    const text = this.take(key)
    if (text === undefined) return fallback
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < min || value > max) throw this.invalid(key, `an integer from ${min} to ${max}`)
    return value
  }

  /** Throws CONFIG_INVALID. */
  size(key: string, fallback: PictureSize, max: PictureSize): PictureSize {
    const text = this.take(key)
    if (text === undefined) return fallback
    const match = /^(\d{1,5})x(\d{1,5})$/.exec(text)
    const size = { width: Number(match?.[1]), height: Number(match?.[2]) }
    const fits = size.width > 0 && size.height > 0 && size.width <= max.width && size.height <= max.height
    if (!fits || size.width % 2 !== 0 || size.height % 2 !== 0) {
      throw this.invalid(key, `WIDTHxHEIGHT, both even, at most ${max.width}x${max.height}`)
    }
    return size
  }

  /** Frames per second: `25`, `12.5` or `30000/1001`. Throws CONFIG_INVALID. */
  frameRate(key: string, fallback: FrameRate): FrameRate {
    const text = this.take(key)
    if (text === undefined) return fallback
    const match = /^(\d{1,6})(?:\.(\d{1,3})|\/(\d{1,6}))?$/.exec(text)
    const decimals = match?.[2] ?? ''
    const frames = Number(`${match?.[1]}${decimals}`)
    const perSeconds = match?.[3] === undefined ? 10 ** decimals.length : Number(match[3])
    if (!(frames / perSeconds >= 0.1 && frames / perSeconds <= 1000)) {
      throw this.invalid(key, 'frames per second from 0.1 to 1000, as 25, 12.5 or 30000/1001')
    }
    return { frames, perSeconds }
  }

  /** One of `choices`. Throws CONFIG_INVALID. */
  choice<T extends string>(key: string, fallback: T, choices: readonly T[]): T {
    const text = this.take(key)
    if (text === undefined) return fallback
    const chosen = choices.find((choice) => choice === text)
    if (chosen === undefined) throw this.invalid(key, choices.join(' or '))
    return chosen
  }

  /** Throws USAGE when an option was given that nothing above has asked for. */
  done(): void {
    const unknown = [...this.#values.keys()].find((key) => !this.#known.includes(key))
    if (unknown === undefined) return
    const expected = this.#known.length === 0 ? 'this source takes no options' : `expected ${this.#known.join(', ')}`
    throw new HomewardError('USAGE', `source ${this.#spec}: option ${unknown} is unknown, ${expected}`)
  }

  invalid(key: string, expected: string): HomewardError {
    return new HomewardError(
      'CONFIG_INVALID',
      `source ${this.#spec}: ${key} is "${this.#values.get(key) ?? ''}", expected ${expected}`,
    )
  }
}
