/** Puts the pieces of records together again. Anything out of order ends the channel; nothing is allocated on a guess. */
import { unfilled } from '../../wire/bytes.ts'
import { HomewardError } from '../../wire/errors.ts'
import { PIECE_BYTES } from '../../wire/limits.ts'
import type { Piece } from '../../wire/session.ts'

/** One for each lane of the camera: live and backlog. */
const OPEN_TRANSFERS_MAX = 2

export interface ReceivedRecord {
  readonly transfer: number
  readonly granted: boolean
  readonly bytes: Uint8Array
}

interface OpenTransfer {
  readonly bytes: Uint8Array
  readonly granted: boolean
  filled: number
}

export class Transfers {
  readonly #open = new Map<number, OpenTransfer>()
  #last = -1

  /** Records that have begun and are not complete, with what they will hold. */
  open(): { readonly transfer: number; readonly totalBytes: number; readonly granted: boolean }[] {
    return [...this.#open].map(([transfer, { bytes, granted }]) => ({
      transfer,
      totalBytes: bytes.byteLength,
      granted,
    }))
  }

  /**
   * Takes a piece; the record when it was its last one. `reserve` is called before memory for a new record is allocated,
   * and may throw. Throws FRAME_MALFORMED.
   */
  accept(piece: Piece, reserve: (totalBytes: number, granted: boolean) => void): ReceivedRecord | undefined {
    const entry = this.#open.get(piece.transfer) ?? this.#begin(piece, reserve)
    if (entry.bytes.byteLength !== piece.total || entry.granted !== piece.granted || entry.filled !== piece.offset) {
      throw malformed(`piece ${piece.offset} of ${piece.total}, expected ${entry.filled} of ${entry.bytes.byteLength}`)
    }
    const expected = Math.min(PIECE_BYTES, piece.total - piece.offset)
    if (piece.bytes.byteLength !== expected) {
      throw malformed(`a piece of ${piece.bytes.byteLength} bytes, expected ${expected}`)
    }
    entry.bytes.set(piece.bytes, entry.filled)
    entry.filled += piece.bytes.byteLength
    if (entry.filled < entry.bytes.byteLength) return undefined
    this.#open.delete(piece.transfer)
    return { transfer: piece.transfer, granted: entry.granted, bytes: entry.bytes }
  }

  /** Forgets what is incomplete. */
  clear(): void {
    this.#open.clear()
  }

  #begin(piece: Piece, reserve: (totalBytes: number, granted: boolean) => void): OpenTransfer {
    if (piece.transfer <= this.#last) throw malformed(`transfer ${piece.transfer} after ${this.#last}`)
    if (piece.offset !== 0) throw malformed(`transfer ${piece.transfer} begins at ${piece.offset}`)
    if (this.#open.size >= OPEN_TRANSFERS_MAX) throw malformed(`more than ${OPEN_TRANSFERS_MAX} transfers at once`)
    reserve(piece.total, piece.granted)
    const entry = { bytes: unfilled(piece.total), granted: piece.granted, filled: 0 }
    this.#open.set(piece.transfer, entry)
    this.#last = piece.transfer
    return entry
  }
}

function malformed(why: string): HomewardError {
  return new HomewardError('FRAME_MALFORMED', `pieces do not fit together: ${why}`)
}
