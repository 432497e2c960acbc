/** Records between the ring and their answer: being read, being sent, or sent and not answered yet. */
import { PIECE_BYTES } from '../../wire/limits.ts'
import type { Range } from '../../wire/ranges.ts'
import type { Piece } from '../../wire/session.ts'
import { LANES, type Lane, type LaneHead } from './pick.ts'
import type { RecordRef, RecordSource } from './source.ts'

export interface Flight {
  readonly source: RecordSource
  readonly ref: RecordRef
  readonly lane: Lane
  readonly granted: boolean
}

interface Progress extends Flight {
  /** Undefined while it is read, and again when all of it is sent. */
  data: Uint8Array | undefined
  sentBytes: number
  transfer: number | undefined
  state: 'reading' | 'ready' | 'sending' | 'sent'
}

export class Flights {
  readonly #all = new Map<string, Progress>()
  readonly #byTransfer = new Map<number, Progress>()
  readonly #lanes: Record<Lane, Progress[]> = { live: [], backlog: [] }
  #transfers = 0

  get count(): number {
    return this.#all.size
  }

  /** Bytes that count against the credit window: from the moment a record is chosen until it is answered. */
  get windowBytes(): number {
    return sum(this.#all.values(), (flight) => (flight.granted ? 0 : flight.ref.bytes))
  }

  get bytes(): number {
    return sum(this.#all.values(), (flight) => flight.ref.bytes)
  }

  get notStarted(): number {
    return sum(this.#all.values(), (flight) => (flight.transfer === undefined ? 1 : 0))
  }

  has(ref: RecordRef): boolean {
    return this.#all.has(recordKey(ref))
  }

  add(flight: Flight): void {
    const progress: Progress = { ...flight, data: undefined, sentBytes: 0, transfer: undefined, state: 'reading' }
    this.#all.set(recordKey(flight.ref), progress)
    this.#lanes[flight.lane].push(progress)
  }

  /** The record was read. False when it is not in here any more. */
  fill({ ref }: Flight, data: Uint8Array): boolean {
    const progress = this.#all.get(recordKey(ref))
    if (progress?.ref !== ref) return false
    progress.data = data
    progress.state = 'ready'
    return true
  }

  /** Answered, or given up before it began. */
  remove({ ref }: Flight): void {
    const key = recordKey(ref)
    const progress = this.#all.get(key)
    if (progress === undefined || progress.ref !== ref) return
    this.#all.delete(key)
    if (progress.transfer !== undefined) this.#byTransfer.delete(progress.transfer)
    this.#lanes[progress.lane] = this.#lanes[progress.lane].filter((each) => each !== progress)
  }

  clear(): void {
    this.#all.clear()
    this.#byTransfer.clear()
    for (const lane of LANES) this.#lanes[lane] = []
  }

  /** Records of the lane that are read or being read, and not wholly sent. */
  ahead(lane: Lane): number {
    return this.#lanes[lane].length
  }

  head(lane: Lane): LaneHead | undefined {
    const head = this.#lanes[lane][0]
    if (head === undefined) return undefined
    return { ready: head.data !== undefined, started: head.transfer !== undefined, granted: head.granted }
  }

  /** The next piece of the lane's first record, which must be ready. */
  cut(lane: Lane): Piece | undefined {
    const head = this.#lanes[lane][0]
    if (head?.data === undefined) return undefined
    if (head.transfer === undefined) {
      head.transfer = this.#transfers++
      head.state = 'sending'
      this.#byTransfer.set(head.transfer, head)
    }
    const { data, sentBytes: offset, transfer, granted } = head
    const bytes = data.subarray(offset, offset + PIECE_BYTES)
    head.sentBytes += bytes.byteLength
    if (head.sentBytes === data.byteLength) {
      head.data = undefined
      head.state = 'sent'
      this.#lanes[lane].shift()
    }
    return { transfer, offset, total: data.byteLength, granted, bytes }
  }

  /** The wholly sent record of this transfer. */
  sent(transfer: number): Flight | undefined {
    const flight = this.#byTransfer.get(transfer)
    return flight?.state === 'sent' ? flight : undefined
  }

  /** The wholly sent records that lie within `ranges`. */
  sentWithin(log: string, ranges: readonly Range[]): Flight[] {
    return [...this.#all.values()].filter(({ ref, state }) => {
      if (ref.log !== log || state !== 'sent') return false
      return ranges.some(([first, last]) => first <= ref.seq && ref.seq + ref.span - 1 <= last)
    })
  }
}

/** A gap that grew is another record. */
export function recordKey({ log, seq, span }: RecordRef): string {
  return `${log}:${seq}:${span}`
}

function sum<Item>(items: Iterable<Item>, of: (item: Item) => number): number {
  let total = 0
  for (const item of items) total += of(item)
  return total
}
