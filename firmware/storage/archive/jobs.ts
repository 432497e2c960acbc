/** What the commit loop is asked to do. */
import { HomewardError } from '../../wire/errors.ts'
import type { Arrived } from './incoming.ts'
import type { IndexBatch } from './index-batch.ts'
import type { JournalEntry } from './journal-entry.ts'
import type { OpenFile } from './open-file.ts'

export interface FragmentJob extends Promised {
  readonly kind: 'fragment'
  readonly arrived: Arrived
}

/** A file to be kept apart, whole; written again when it is there already. Its path is relative to the root. */
export interface AsideFile {
  readonly path: string
  readonly parts: readonly Uint8Array[]
}

export interface LedgerJob extends Promised {
  readonly kind: 'ledger'
  readonly entry: JournalEntry
  readonly aside: readonly AsideFile[]
  /** Removed once the entry is in the journal. */
  readonly remove?: string
  /** Further rows that go with the entry. */
  readonly rows?: (batch: IndexBatch) => void
  /** Renamed once the entry is in the journal. */
  readonly rename?: { readonly from: string; readonly to: string }
}

/** Open files that are to be finished without waiting for a successor. */
export interface FinishJob extends Promised {
  readonly kind: 'finish'
  readonly which: (file: OpenFile) => boolean
}

/** Work on what is stored already, between two batches; its rows are committed with the batch. */
export interface MendJob extends Promised {
  readonly kind: 'mend'
  readonly run: () => Promise<(batch: IndexBatch) => void>
}

/** Runs alone, with no file open. */
export interface AloneJob extends Promised {
  readonly kind: 'alone'
  readonly run: () => Promise<void>
}

export type Job = FragmentJob | LedgerJob | FinishJob | MendJob | AloneJob

interface Promised {
  readonly done: Promise<void>
  resolve(): void
  reject(error: HomewardError): void
}

/** A promise and its ends; nobody has to wait for it. */
export function promised(): Promised {
  let resolve = (): void => {}
  let reject = (_: HomewardError): void => {}
  const done = new Promise<void>((yes, no) => {
    resolve = yes
    reject = no
  })
  done.catch(() => undefined)
  return { done, resolve, reject }
}

export const CLOSED = new HomewardError('DISK_FAILED', 'the archive is closed', { hint: 'Open it again.' })
