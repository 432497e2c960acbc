/**
 * A record as it stands on the card, in whole 4 KiB blocks:
 *
 *   0    record header as it travels (wire/record.ts)
 *   312  slab epoch u64
 *   320  CRC-32 of the payload u32
 *   324  CRC-32 of bytes 0 … 323 u32
 *   328  sealed payload, then zeros up to the next block
 *
 * The epoch rises with every use of a slab; a record of a lower epoch than the slab's newest is left over from an earlier use.
 */
import { crc32 } from 'node:zlib'
import { ByteReader, ByteWriter } from '../../wire/bytes.ts'
import { isHomewardError } from '../../wire/errors.ts'
import { decodeRecordHeader, RECORD_HEADER_BYTES, type RecordHeader } from '../../wire/record.ts'

export const BLOCK_BYTES = 4096
const TRAILER_BYTES = 16
export const CARD_HEADER_BYTES = RECORD_HEADER_BYTES + TRAILER_BYTES
const CRC_OFFSET = CARD_HEADER_BYTES - 4

export interface CardHeader {
  /** Its fields of bytes share memory with what was decoded. */
  readonly header: RecordHeader
  readonly epoch: number
  readonly payloadCrc: number
}

/** Bytes that a record with this payload takes on the card. */
export function cardBytes(payloadBytes: number): number {
  return Math.ceil((CARD_HEADER_BYTES + payloadBytes) / BLOCK_BYTES) * BLOCK_BYTES
}

/** What to write, one part after the other; all but the trailer and the padding share memory with `record`. */
export function encodeCardRecord(record: Uint8Array, epoch: number): Uint8Array[] {
  const header = record.subarray(0, RECORD_HEADER_BYTES)
  const payload = record.subarray(RECORD_HEADER_BYTES)
  const trailer = new Uint8Array(TRAILER_BYTES)
  const writer = new ByteWriter(trailer).u64(epoch).u32(crc32(payload))
  writer.u32(crc32(trailer.subarray(0, writer.position), crc32(header)))
  const padding = new Uint8Array(cardBytes(payload.byteLength) - CARD_HEADER_BYTES - payload.byteLength)
  return [header, trailer, payload, padding]
}

/** The header at the start of `bytes`, or undefined when what stands there is none, or damaged. */
export function decodeCardHeader(bytes: Uint8Array): CardHeader | undefined {
  if (bytes.byteLength < CARD_HEADER_BYTES) return undefined
  const reader = new ByteReader(bytes.subarray(RECORD_HEADER_BYTES))
  try {
    const [epoch, payloadCrc, headerCrc] = [reader.u64(), reader.u32(), reader.u32()]
    if (crc32(bytes.subarray(0, CRC_OFFSET)) !== headerCrc) return undefined
    return { header: decodeRecordHeader(bytes), epoch, payloadCrc }
  } catch (error) {
    if (isHomewardError(error)) return undefined
    throw error
  }
}

export function payloadIsWhole({ payloadCrc, header }: CardHeader, payload: Uint8Array): boolean {
  return payload.byteLength === header.payloadBytes && crc32(payload) === payloadCrc
}
