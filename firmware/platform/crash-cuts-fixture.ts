/**
 * Cuts of the power for tests that explore them: a seeded workload runs once and is photographed at every call that changes
 * something; each photograph is then crashed in several ways and looked at. A failure says how to see it again.
 *
 *   HOMEWARD_CUTS=20000           distinct cut points per kind in the long run (make soak); by default a sample of some seconds
 *   HOMEWARD_CUT=ring:12:345:2    only this one: kind, seed, cut, way of crashing
 */
import { createHash } from 'node:crypto'
import type { DiskCall } from './disk-faults.ts'
import { type Random, seededRandom } from './random.ts'

/** Each cut is crashed so often, differently. */
const WAYS = 3

export interface Photograph<Scene> {
  /** Number of the cut within its workload. */
  readonly cut: number
  /** The call that was under way. */
  readonly what: string
  /** The same for two lives that came to this cut by the same calls: then it is one cut point, not two. */
  readonly trace: string
  readonly scene: Scene
}

/** Names that are drawn anew in each life: logs, cameras. */
const DRAWN = /[0-9a-f]{8,}/g

/** Takes photographs while a workload runs. */
export class Camera<Scene> {
  readonly photographs: Photograph<Scene>[] = []
  readonly #take: () => Scene
  readonly #wanted: (cut: number) => boolean
  readonly #calls = createHash('sha256')
  #cut = 0

  /** `take` copies all there is; with `wanted` only these cuts are kept. */
  constructor(take: () => Scene, wanted: (cut: number) => boolean = () => true) {
    this.#take = take
    this.#wanted = wanted
  }

  get cuts(): number {
    return this.#cut
  }

  /** `where`: what tells this call from others of its kind. */
  moment(what: string, where = ''): void {
    const cut = this.#cut++
    this.#calls.update(`${what} ${where}\n`.replaceAll(DRAWN, '#'))
    if (!this.#wanted(cut)) return
    const trace = this.#calls.copy().digest('hex')
    this.photographs.push({ cut, what, trace, scene: this.#take() })
  }

  readonly onCall = ({ operation, path, position, bytes, to }: DiskCall): void =>
    this.moment(`${operation} ${path}`, `${position} ${bytes} ${to}`)
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

interface Explored {
  seeds: number
  /** Distinct ones. */
  cuts: number
  crashes: number
}

/** Says in one line what was tried, and throws at the first broken promise. */
export async function explore<Scene>(exploration: Exploration<Scene>): Promise<void> {
  const tried: Explored = { seeds: 0, cuts: 0, crashes: 0 }
  const tell = (violations: number) => {
    const { seeds, cuts, crashes } = tried
    const what = `${cuts} distinct cut points in ${seeds} lives, ${crashes} crashes, ${violations} violations`
    process.stdout.write(`${exploration.kind}: ${what}\n`)
  }
  try {
    await tryAll(exploration, tried)
  } catch (error) {
    tell(1)
    throw error
  }
  tell(0)
  if (tried.cuts === 0 && process.env.HOMEWARD_CUT === undefined) throw new Error('no cut was tried')
}

async function tryAll<Scene>(exploration: Exploration<Scene>, tried: Explored): Promise<void> {
  const { kind, sample, run } = exploration
  const [only, ...numbers] = (process.env.HOMEWARD_CUT ?? '').split(':')
  if (only !== undefined && only !== '') {
    if (only !== kind) return
    const [seed = 0, cut = 0, way = 0] = numbers.map(Number)
    tried.seeds++
    for (const photograph of await run(seed, (at) => at === cut)) {
      tried.cuts++
      tried.crashes++
      await checkOne(exploration, seed, photograph, way)
    }
    return
  }
  const wanted = Number(process.env.HOMEWARD_CUTS ?? sample)
  const seen = new Set<string>()
  while (tried.cuts < wanted) {
    const seed = ++tried.seeds
    const photographs = await run(seed, () => true)
    if (photographs.length === 0) throw new Error(`the life of seed ${seed} has no cut`)
    for (const photograph of photographs) {
      if (seen.has(photograph.trace)) continue
      if (tried.cuts === wanted) break
      seen.add(photograph.trace)
      tried.cuts++
      for (let way = 0; way < WAYS; way++) {
        tried.crashes++
        await checkOne(exploration, seed, photograph, way)
      }
    }
  }
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
