/** A fragment on its way into a file: checked and hashed once, then placed and encoded. Pure but for hashing. */
import { readBoxHeader } from '../../media/boxes.ts'
import { type MediaFragment, parseFragment } from '../../media/fragment.ts'
import { type InitSegment, parseInit } from '../../media/init.ts'
import { mfraEntryOf } from '../../media/mfra.ts'
import { rebaseFragment, type TimeBase, timeBasesFor } from '../../media/rebase.ts'
import { toHex } from '../../wire/bytes.ts'
import type { RecordHeader } from '../../wire/record.ts'
import type { Incoming } from './assign.ts'
import { type Entry, encodeEntry, entryHeaderBytes } from './entry.ts'
import type { Placed } from './file-rows.ts'
import { sha256 } from './hash.ts'
import { FRAGMENT_MAX_US } from './names.ts'

/** Plain bytes of a fragment record, as `splitPayload` gives them. */
export interface FragmentPayload {
  readonly init: Uint8Array
  readonly fragment: Uint8Array
}

export interface Arrived extends Incoming {
  readonly camera: Uint8Array
  readonly header: RecordHeader
  readonly init: InitSegment
  readonly media: MediaFragment
  readonly fragmentHash: Uint8Array
  readonly initHashBytes: Uint8Array
  readonly receivedUs: number
}

const INITS_KEPT = 64

/** Init segments repeat in every record: each is parsed once while it is in use. */
export class InitCache {
  readonly #known = new Map<string, InitSegment>()

  get(bytes: Uint8Array, hash: string): InitSegment {
    const init = this.#known.get(hash) ?? parseInit(new Uint8Array(bytes))
    this.#known.delete(hash)
    this.#known.set(hash, init)
    const oldest = this.#known.size > INITS_KEPT ? this.#known.keys().next().value : undefined
    if (oldest !== undefined) this.#known.delete(oldest)
    return init
  }
}

/** Throws MEDIA_MALFORMED when the payload is not one init segment and one fragment of it. */
export function arrive(inits: InitCache, header: RecordHeader, payload: FragmentPayload, receivedUs: number): Arrived {
  const initHashBytes = sha256(payload.init)
  const initHash = toHex(initHashBytes)
  const init = inits.get(payload.init, initHash)
  const media = parseFragment(payload.fragment, init)
  const { log, seq, run, boot, monoUs, wallUs, clock, camera } = header
  return {
    log,
    seq,
    run,
    boot,
    monoUs,
    wallUs,
    clock,
    camera,
    header,
    init,
    initHash,
    initHashBytes,
    media,
    tracks: media.tracks,
    entryBytes: entryHeaderBytes(init.tracks.length) + payload.fragment.byteLength,
    fragmentHash: sha256(payload.fragment),
    receivedUs,
  }
}

export function basesFor(first: Arrived): TimeBase[] {
  return timeBasesFor(first.init, first.media)
}

/** The entry at `offset` of a file with these time bases: its bytes, and what the index will say about it. */
export function placeAt(
  offset: number,
  bases: readonly TimeBase[],
  arrived: Arrived,
): { placed: Placed; parts: Uint8Array[] } {
  const { camera, log, seq, run, boot, monoUs, wallUs, clock, header, media, receivedUs } = arrived
  const entry: Entry = {
    camera,
    log,
    seq,
    run,
    boot,
    monoUs,
    wallUs,
    clock,
    keyFrame: header.keyFrame,
    runStart: header.runStart,
    durationUs: Math.min(header.durationUs, FRAGMENT_MAX_US),
    receivedUs,
    fragmentBytes: media.bytes.byteLength,
    fragmentHash: arrived.fragmentHash,
    initHash: arrived.initHashBytes,
    bases,
  }
  const box = encodeEntry(entry)
  // Times stand in the moof; the samples behind it are not copied.
  const moofBytes = readBoxHeader(media.bytes)?.sizeBytes ?? 0
  const moof = rebaseFragment(media.bytes.subarray(0, moofBytes), bases)
  const mark = mfraEntryOf(arrived.init, rebasedHead(arrived, bases), offset + box.byteLength)
  const placed = {
    offset,
    headerBytes: box.byteLength,
    bytes: box.byteLength + media.bytes.byteLength,
    ticks: mark?.timeTicks ?? 0,
    trafNumber: mark?.trafNumber ?? 0,
    entry,
  }
  return { placed, parts: [box, moof, media.bytes.subarray(moofBytes)] }
}

function rebasedHead({ media }: Arrived, bases: readonly TimeBase[]): MediaFragment {
  const tracks = media.tracks.map((track) => {
    const base = bases.find((known) => known.track === track.id)?.ticks ?? 0
    return { ...track, decodeTime: track.decodeTime - base }
  })
  return { ...media, tracks }
}
