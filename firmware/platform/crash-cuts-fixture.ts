/**
 * Cuts of the power for tests that explore them: a seeded workload runs once and is photographed at every call that changes
 * something; each photograph is then crashed in several ways and looked at. A failure says how to see it again.
 *
 *   HOMEWARD_CUTS=20000           cut points per kind in the long run (make soak); by default a sample of some seconds
 *   HOMEWARD_CUT=ring:12:345:2    only this one: kind, seed, cut, way of crashing
 */
import type { DiskCall } from './disk-faults.ts'
import { type Random, seededRandom } from './random.ts'

/** Each cut is crashed so often, differently. */
const WAYS = 3

export interface Photograph<Scene> {
  /** Number of the cut within its workload. */
  readonly cut: number
  /** The call that was under way. */
  readonly what: string
  readonly scene: Scene
}

/** Takes photographs while a workload runs. */
export class Camera<Scene> {
  readonly photographs: Photograph<Scene>[] = []
  readonly #take: () => Scene
  readonly #wanted: (cut: number) => boolean
  #cut = 0

  /** `take` copies all there is; with `wanted` only these cuts are kept. */
  constructor(take: () => Scene, wanted: (cut: number) => boolean = () => true) {
    this.#take = take
    this.#wanted = wanted
  }

  get cuts(): number {
    return this.#cut
  }

  moment(what: string): void {
    const cut = this.#cut++
    if (this.#wanted(cut)) this.photographs.push({ cut, what, scene: this.#take() })
  }

  readonly onCall = ({ operation, path }: DiskCall): void => this.moment(`${operation} ${path}`)
}

export interface Exploration<Scene> {
  /** `ring`, `archive`, `both`: names it in `HOMEWARD_CUT`. */
  readonly kind: string
  /** Cut points in a sample. */
  readonly sample: number
  /** Runs the workload of this seed with the camera's calls in its disks; resolves with the photographs. */
  run(seed: number, wanted: (cut: number) => boolean): Promise<readonly Photograph<Scene>[]>
  /** Crashes the scene, which is this check's alone, restarts, and throws when a promise is broken. */
  check(scene: Scene, random: Random, way: number): Promise<void>
  /** A scene of its own. */
  fork(scene: Scene): Scene
}

export interface Explored {
  readonly seeds: number
  readonly cuts: number
  readonly crashes: number
}

/** Throws at the first broken promise. */
export async function explore<Scene>(exploration: Exploration<Scene>): Promise<Explored> {
  const { kind, sample, run } = exploration
  const [only, ...numbers] = (process.env.HOMEWARD_CUT ?? '').split(':')
  if (only !== undefined && only !== '') {
    if (only !== kind) return { seeds: 0, cuts: 0, crashes: 0 }
    const [seed = 0, cut = 0, way = 0] = numbers.map(Number)
    const photographs = await run(seed, (at) => at === cut)
    for (const photograph of photographs) await checkOne(exploration, seed, photograph, way)
    return { seeds: 1, cuts: photographs.length, crashes: photographs.length }
  }
  const wanted = Number(process.env.HOMEWARD_CUTS ?? sample)
  let [seed, cuts, crashes] = [0, 0, 0]
  while (cuts < wanted) {
    seed++
    const photographs = await run(seed, () => true)
    if (photographs.length === 0) throw new Error(`the life of seed ${seed} has no cut`)
    for (const photograph of photographs) {
      if (cuts === wanted) break
      cuts++
      for (let way = 0; way < WAYS; way++) {
        await checkOne(exploration, seed, photograph, way)
        crashes++
      }
    }
  }
  return { seeds: seed, cuts, crashes }
}

async function checkOne<Scene>(
  { kind, check, fork }: Exploration<Scene>,
  seed: number,
  { cut, what, scene }: Photograph<Scene>,
  way: number,
): Promise<void> {
  try {
    await check(fork(scene), seededRandom(seed * 7919 + cut * 31 + way), way)
  } catch (error) {
    const told = error instanceof Error ? error : new Error(String(error))
    told.message = `${told.message} — the power went at "${what}"; again with HOMEWARD_CUT=${kind}:${seed}:${cut}:${way}`
    throw told
  }
}
