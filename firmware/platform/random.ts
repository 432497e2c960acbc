import { randomBytes } from 'node:crypto'

/** Where unpredictable bytes come from. Keys and nonces come from libsodium itself, not from here. */
export interface Random {
  bytes(count: number): Uint8Array
}

export const realRandom: Random = { bytes: (count) => new Uint8Array(randomBytes(count)) }

/** Repeatable bytes for tests (mulberry32); the seed belongs in the test's output. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }
  return { bytes: (count) => Uint8Array.from({ length: count }, () => next() & 255) }
}

/** A number in [0, bound). */
export function randomBelow(random: Random, bound: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = random.bytes(4)
  return Math.floor(((a + b * 256 + c * 65536 + d * 16777216) / 4294967296) * bound)
}
