/** Spans of a camera's footage that retention leaves alone. Pure but for hashing. */
import { toHex } from '../../wire/bytes.ts'
import { sha256 } from './hash.ts'
import type { ArchiveIndex, IndexedFile } from './index.ts'
import type { LockEntry } from './journal-entry.ts'
import type { LockRow } from './rows.ts'

export interface Lock extends LockRow {
  readonly camera: Uint8Array
}

/** A new one, from `fromUs` up to `toUs`. */
export function lockOf(camera: Uint8Array, fromUs: number, toUs: number, name: string, atUs: number): Lock {
  const text = `${toHex(camera)} ${fromUs} ${toUs} ${name} ${atUs}`
  const id = toHex(sha256(new Uint8Array(Buffer.from(text)))).slice(0, 8)
  return { camera, id, fromUs, toUs, name, atUs }
}

export function lockEntry(type: LockEntry['type'], { camera, ...lock }: Lock, atUs: number): LockEntry {
  const { id, fromUs, toUs, name } = lock
  return { type, atUs, camera: toHex(camera), id, fromUs, toUs, name }
}

/** True when a part of the file is in a locked span. */
export function isLocked(index: ArchiveIndex, { id, row }: IndexedFile): boolean {
  if (!row.dated) return false
  return index.locks(id.camera).some(({ row: lock }) => lock.fromUs < row.endUs && row.startUs < lock.toUs)
}
