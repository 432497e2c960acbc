/** Passwords as scrypt hashes (RFC 7914), and secrets long enough that SHA-256 will do. */
import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { HomewardError } from '../../wire/errors.ts'

/** 32 MiB and about a quarter of a second on a small board: the cost that OWASP names for this much memory. */
const COST = { n: 2 ** 15, r: 8, p: 3 }
const HASH_BYTES = 32
const SALT_BYTES = 16
/** More callers than this are sent away: each one takes its time, and the footage needs the processor too. */
const WAITING_MAX = 16

const FORMAT = /^scrypt:(\d+):(\d+):(\d+):([0-9a-f]{32}):([0-9a-f]{64})$/

export interface PasswordCost {
  readonly n: number
  readonly r: number
  readonly p: number
}

/** One at a time: a flood of wrong passwords takes one core and 32 MiB, and never the threads that disks are synced on. */
export class PasswordHasher {
  readonly #cost: PasswordCost
  #working: Promise<unknown> = Promise.resolve()
  #waiting = 0

  constructor(cost: PasswordCost = COST) {
    this.#cost = cost
  }

  /** As it is stored. Rejects with TOO_MANY when too many wait already. */
  async make(password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES)
    const { n, r, p } = this.#cost
    const hash = await this.#derive(password, salt, this.#cost)
    return ['scrypt', n, r, p, salt.toString('hex'), hash.toString('hex')].join(':')
  }

  /** `known`: not sent away whatever waits, for strangers must not keep the owner out. */
  async matches(password: string, stored: string, known = false): Promise<boolean> {
    const [, n, r, p, salt = '', hash = ''] = FORMAT.exec(stored) ?? []
    const cost = { n: Number(n), r: Number(r), p: Number(p) }
    const derived = await this.#derive(password, Buffer.from(salt, 'hex'), cost, known)
    return timingSafeEqual(derived, Buffer.from(hash, 'hex'))
  }

  #derive(password: string, salt: Uint8Array, { n, r, p }: PasswordCost, known = false): Promise<Buffer> {
    if (this.#waiting >= WAITING_MAX && !known) {
      return Promise.reject(
        new HomewardError('TOO_MANY', 'too many are signing in at this moment', {
          hint: 'Try again in a few seconds.',
        }),
      )
    }
    this.#waiting += 1
    // The same password typed on another keyboard is the same bytes.
    const text = password.normalize('NFC')
    const options = { N: n, r, p, maxmem: 256 * n * r }
    const done = this.#working.then(
      () =>
        new Promise<Buffer>((resolve, reject) => {
          scrypt(text, salt, HASH_BYTES, options, (error, key) => (error === null ? resolve(key) : reject(error)))
        }),
    )
    this.#working = done
      .catch(() => undefined)
      .finally(() => {
        this.#waiting -= 1
      })
    return done
  }
}

export function isPasswordHash(text: unknown): text is string {
  return typeof text === 'string' && FORMAT.test(text)
}

/** 256 bits as text that goes into cookies and headers. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url')
}

/** What is stored of a secret. It is random and long: nothing slow is needed. */
export function secretHash(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

const CLAIM_BYTES = 10

/** 80 bits in groups of four, without letters that look alike. */
export function newClaimCode(): string {
  const alphabet = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789'
  let bits = BigInt(`0x${randomBytes(CLAIM_BYTES).toString('hex')}`)
  let code = ''
  for (let at = 0; at < 16; at += 1) {
    code += `${at > 0 && at % 4 === 0 ? '-' : ''}${alphabet[Number(bits & 31n)]}`
    bits >>= 5n
  }
  return code
}

/** Case, spaces and dashes do not matter. */
export function claimHash(code: string): string {
  return secretHash(code.toUpperCase().replace(/[^A-Z0-9]/g, ''))
}
