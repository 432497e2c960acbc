/**
 * Who may see the footage: the owner's password, the sessions of browsers, the tokens of programs. STATE/web.json, mode
 * 0600; nothing in it lets anybody in, for there are only hashes.
 */
import { join } from 'node:path'
import * as v from 'valibot'
import { readState, stateDamaged, writeState } from '../../link/state-json.ts'
import type { Clock } from '../../platform/clock.ts'
import { HomewardError } from '../../wire/errors.ts'
import { claimHash, isPasswordHash, newClaimCode, newSecret, type PasswordHasher, secretHash } from './passwords.ts'

const FILE = 'web.json'
const FORMAT = 'homeward-web-1'

/** A claim code is for somebody who is about to type it. */
export const CLAIM_TTL_MS = 60 * 60_000
/** A browser that was not used for so long signs in again. */
export const SESSION_IDLE_US = 30 * 24 * 3600 * 1_000_000
/** How exactly the last use is known: writing it at every request would wear the disk out. */
const USED_STEP_US = 3600 * 1_000_000
/** The oldest go first. */
const SESSIONS_MAX = 32
const BROWSERS_MAX = 32
const TOKENS_MAX = 32

const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))
const time = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const stateSchema = v.object({
  password: v.optional(v.custom<string>(isPasswordHash)),
  sessions: v.array(v.object({ hash, createdUs: time, usedUs: time, address: v.string(), browser: v.string() })),
  browsers: v.array(v.object({ hash, usedUs: time })),
  tokens: v.array(v.object({ hash, name: v.string(), createdUs: time, usedUs: v.nullable(time) })),
})
type State = v.InferOutput<typeof stateSchema>
export type Session = State['sessions'][number]
export type Token = State['tokens'][number]

/** Names a session or token without helping to guess it. */
export const idOf = ({ hash: text }: { readonly hash: string }) => text.slice(0, 16)

export class Accounts {
  readonly #path: string
  readonly #clock: Clock
  readonly #hasher: PasswordHasher
  #state: State = { sessions: [], browsers: [], tokens: [] }
  #writing: Promise<unknown> = Promise.resolve()
  #claim: { readonly hash: string; readonly untilUs: number } | undefined

  private constructor(path: string, clock: Clock, hasher: PasswordHasher) {
    this.#path = path
    this.#clock = clock
    this.#hasher = hasher
  }

  /** Throws STATE_DAMAGED. */
  static async open(stateDir: string, clock: Clock, hasher: PasswordHasher): Promise<Accounts> {
    const accounts = new Accounts(join(stateDir, FILE), clock, hasher)
    const fields = await readState(accounts.#path, FORMAT)
    if (fields === undefined) return accounts
    const result = v.safeParse(stateSchema, fields)
    if (!result.success) throw stateDamaged(accounts.#path, `"${v.getDotPath(result.issues[0])}" has a wrong value`)
    accounts.#state = result.output
    return accounts
  }

  /** A password is set. */
  get claimed(): boolean {
    return this.#state.password !== undefined
  }

  /** Takes the place of an earlier code. Throws ALREADY_CLAIMED. */
  newClaim(): { readonly code: string; readonly expiresUs: number } {
    this.#mustBeUnclaimed()
    const code = newClaimCode()
    this.#claim = { hash: claimHash(code), untilUs: this.#clock.monoUs() + CLAIM_TTL_MS * 1000 }
    return { code, expiresUs: this.#clock.wallUs() + CLAIM_TTL_MS * 1000 }
  }

  /** Sets the first password. Throws ALREADY_CLAIMED, CLAIM_CODE_WRONG. */
  async claim(code: string, password: string): Promise<void> {
    this.#mustBeUnclaimed()
    const claim = this.#claim
    if (claim === undefined || claim.hash !== claimHash(code) || this.#clock.monoUs() > claim.untilUs) {
      throw new HomewardError('CLAIM_CODE_WRONG', 'this is not the claim code, or it has expired', {
        hint: 'On the storage device, `homeward storage claim` prints a new one.',
      })
    }
    const stored = await this.#hasher.make(password)
    await this.#change((state) => {
      this.#mustBeUnclaimed()
      return { ...state, password: stored }
    })
    this.#claim = undefined
  }

  /** Throws PASSWORD_WRONG; TOO_MANY unless it is a browser that is known. */
  async check(password: string, known = false): Promise<void> {
    const stored = this.#state.password
    if (stored !== undefined && (await this.#hasher.matches(password, stored, known))) return
    throw new HomewardError('PASSWORD_WRONG', 'the password is wrong', {
      hint: 'Forgotten? On the storage device, `homeward storage passwd` sets a new one.',
    })
  }

  /** Also the first one. Ends every session but `keep`. */
  async setPassword(password: string, keep?: Session): Promise<void> {
    const stored = await this.#hasher.make(password)
    await this.#change((state) => ({
      ...state,
      password: stored,
      sessions: state.sessions.filter((session) => session.hash === keep?.hash),
      browsers: keep === undefined ? [] : state.browsers,
    }))
    this.#claim = undefined
  }

  // Sessions

  /** The secret goes into a cookie and is kept nowhere else. */
  async openSession(address: string, browser: string): Promise<string> {
    const secret = newSecret()
    const nowUs = this.#clock.wallUs()
    const session = {
      hash: secretHash(secret),
      createdUs: nowUs,
      usedUs: nowUs,
      address,
      browser: browser.slice(0, 200),
    }
    await this.#change((state) => ({ ...state, sessions: [...state.sessions, session].slice(-SESSIONS_MAX) }))
    return secret
  }

  /** Undefined when there is none, or it has expired. */
  session(secret: string): Session | undefined {
    const found = this.#state.sessions.find((session) => session.hash === secretHash(secret))
    if (found === undefined || this.#isIdle(found)) return undefined
    this.#touch('sessions', found)
    return found
  }

  sessions(): readonly Session[] {
    return this.#state.sessions.filter((session) => !this.#isIdle(session))
  }

  /** By its id; all of them when undefined. False when there is no such session. */
  async endSessions(id?: string): Promise<boolean> {
    const ends = (session: Session) => id === undefined || idOf(session) === id
    if (id !== undefined && !this.#state.sessions.some(ends)) return false
    await this.#change((state) => ({ ...state, sessions: state.sessions.filter((session) => !ends(session)) }))
    return true
  }

  #isIdle({ usedUs }: Session): boolean {
    return this.#clock.wallUs() - usedUs > SESSION_IDLE_US
  }

  // Browsers that signed in before: strangers' wrong passwords do not keep them out

  async rememberBrowser(): Promise<string> {
    const secret = newSecret()
    const browser = { hash: secretHash(secret), usedUs: this.#clock.wallUs() }
    await this.#change((state) => ({ ...state, browsers: [...state.browsers, browser].slice(-BROWSERS_MAX) }))
    return secret
  }

  knowsBrowser(secret: string): boolean {
    const wanted = secretHash(secret)
    return this.#state.browsers.some((browser) => browser.hash === wanted)
  }

  // Tokens

  async makeToken(name: string): Promise<{ readonly secret: string; readonly token: Token }> {
    if (this.#state.tokens.length >= TOKENS_MAX) {
      throw new HomewardError('USAGE', `there are ${TOKENS_MAX} tokens already`, { hint: 'Revoke one of them first.' })
    }
    const secret = newSecret()
    const token = { hash: secretHash(secret), name, createdUs: this.#clock.wallUs(), usedUs: null }
    await this.#change((state) => ({ ...state, tokens: [...state.tokens, token] }))
    return { secret, token }
  }

  token(secret: string): Token | undefined {
    const found = this.#state.tokens.find((token) => token.hash === secretHash(secret))
    if (found !== undefined) this.#touch('tokens', found)
    return found
  }

  tokens(): readonly Token[] {
    return this.#state.tokens
  }

  /** By its id. False when there is no such token. */
  async revokeToken(id: string): Promise<boolean> {
    if (!this.#state.tokens.some((token) => idOf(token) === id)) return false
    await this.#change((state) => ({ ...state, tokens: state.tokens.filter((token) => idOf(token) !== id) }))
    return true
  }

  /** Waits until what was changed is on the disk. */
  async close(): Promise<void> {
    await this.#writing
  }

  #touch(kind: 'sessions' | 'tokens', { hash: wanted, usedUs }: Session | Token): void {
    const nowUs = this.#clock.wallUs()
    if (usedUs !== null && Math.abs(nowUs - usedUs) < USED_STEP_US) return
    const touched = <T extends Session | Token>(list: readonly T[]) =>
      list.map((one) => (one.hash === wanted ? { ...one, usedUs: nowUs } : one))
    // In memory at once, so that it is written once; a write that fails is repeated within the hour.
    this.#state = { ...this.#state, [kind]: touched<Session | Token>(this.#state[kind]) }
    void this.#change((state) => state).catch(() => undefined)
  }

  #mustBeUnclaimed(): void {
    if (!this.claimed) return
    throw new HomewardError('ALREADY_CLAIMED', 'this storage device has a password already', {
      hint: 'Forgotten? On the storage device, `homeward storage passwd` sets a new one.',
    })
  }

  /** One change at a time; it holds only once it is durable. */
  #change(make: (state: State) => State): Promise<void> {
    const done = this.#writing.then(async () => {
      const next = make(this.#state)
      await writeState(this.#path, FORMAT, next)
      this.#state = next
    })
    this.#writing = done.catch(() => undefined)
    return done
  }
}
