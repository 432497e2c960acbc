/** Takes fragments: knows what is there already, what is being stored right now, and what has to be put back or kept apart. */
import type { Disk } from '../../platform/disk.ts'
import { equalBytes, toHex } from '../../wire/bytes.ts'
import { isHomewardError } from '../../wire/errors.ts'
import type { RecordHeader } from '../../wire/record.ts'
import { type Arrived, arrive, type FragmentPayload, InitCache } from './incoming.ts'
import type { ArchiveIndex } from './index.ts'
import { type FragmentJob, type Job, promised } from './jobs.ts'
import { mendFragment } from './mend.ts'

export type StoreResult = 'stored' | 'duplicate' | 'conflict'

export interface StoringParts {
  readonly disk: Disk
  readonly root: string
  readonly index: () => ArchiveIndex
  /** The header with the time it is filed under. */
  readonly place: (camera: Uint8Array, header: RecordHeader, receivedUs: number) => RecordHeader
  readonly submit: (job: Job) => Promise<void>
  /** Keeps it apart: other content has its name. */
  readonly keepConflict: (arrived: Arrived) => Promise<void>
  /** What the ledger said of it is said no longer. */
  readonly onCameBack: () => void
}

export class Storing {
  readonly #parts: StoringParts
  readonly #inits = new InitCache()
  readonly #pending = new Map<string, FragmentJob>()

  constructor(parts: StoringParts) {
    this.#parts = parts
  }

  /** True when a fragment of the boot has been placed and is not in a file yet. */
  isPending(camera: Uint8Array, boot: string): boolean {
    return [...this.#pending.values()].some(
      ({ arrived }) => arrived.boot === boot && equalBytes(arrived.camera, camera),
    )
  }

  /** Resolves and throws as `Archive.store`. */
  async store(
    camera: Uint8Array,
    header: RecordHeader,
    payload: FragmentPayload,
    receivedUs: number,
  ): Promise<StoreResult> {
    const { index, place, submit, onCameBack } = this.#parts
    const { log, seq } = header
    const name = `${toHex(camera)}/${log}/${seq}`
    let arrived: Arrived
    for (;;) {
      // From here to where it is pending nothing waits: whoever dates its boot anew finds it.
      // The header's own fields share memory with the whole record, and what is entered stays as long as its file is open.
      arrived = arrive(this.#inits, { ...place(camera, header, receivedUs), camera }, payload, receivedUs)
      const known = this.#known(arrived)
      if (known === 'duplicate') return (await this.#healed(arrived)) ? 'stored' : known
      if (known === 'conflict') return this.#keepConflict(arrived)
      const other = this.#pending.get(name)
      if (other === undefined) break
      await other.done.catch(() => undefined)
    }
    const isLedgered = index().durable(camera, log, seq, seq).length > 0
    const job: FragmentJob = { kind: 'fragment', arrived, ...promised() }
    this.#pending.set(name, job)
    try {
      await submit(job)
      if (isLedgered) onCameBack()
      return 'stored'
    } catch (error) {
      if (isHomewardError(error, 'NAME_CONFLICT')) return this.#keepConflict(arrived)
      throw error
    } finally {
      this.#pending.delete(name)
    }
  }

  #known({ camera, log, seq, fragmentHash }: Arrived): StoreResult | undefined {
    const index = this.#parts.index()
    const row = index.fragment(camera, log, seq)
    if (row !== undefined) return equalBytes(row.hash, fragmentHash) ? 'duplicate' : 'conflict'
    // What was a gap is footage after all; what was deleted on purpose does not come back.
    if (index.durable(camera, log, seq, seq).length === 0) return undefined
    return index.isExpired(camera, log, seq) ? 'duplicate' : undefined
  }

  /** What is there was found damaged: it is put back. */
  async #healed(arrived: Arrived): Promise<boolean> {
    const { disk, root, index, submit, onCameBack } = this.#parts
    const { camera, log, seq } = arrived
    if (!index().isDamaged(camera, log, seq) || index().fragment(camera, log, seq) === undefined) return false
    const run = () => mendFragment({ disk, root, index: index() }, arrived)
    await submit({ kind: 'mend', run, ...promised() })
    onCameBack()
    return true
  }

  async #keepConflict(arrived: Arrived): Promise<StoreResult> {
    await this.#parts.keepConflict(arrived)
    return 'conflict'
  }
}
