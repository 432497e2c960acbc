/** Seals nothing: the payload stands behind the header as it is, with a mark of its own that tests look for. */

import { HomewardError } from '../../wire/errors.ts'
import { FRAGMENT_MAX_BYTES } from '../../wire/limits.ts'
import { encodeRecordHeader, RECORD_HEADER_BYTES, type RecordMeta, type RecordSealer } from '../../wire/record.ts'

export interface FakeSealerOptions {
  readonly camera?: Uint8Array
  readonly recipient?: Uint8Array
  readonly log?: string
}

const TAG_BYTES = 16
let made = 0

export class FakeSealer implements RecordSealer {
  readonly camera: Uint8Array
  readonly recipient: Uint8Array
  readonly log: string
  closed = false

  constructor(options: FakeSealerOptions = {}) {
    this.camera = options.camera ?? new Uint8Array(32).fill(0xca)
    this.recipient = options.recipient ?? new Uint8Array(32).fill(0x5e)
    this.log = options.log ?? (++made).toString(16).padStart(16, '0')
  }

  seal(meta: RecordMeta, parts: readonly Uint8Array[]): Uint8Array {
    if (this.closed) throw new HomewardError('INTERNAL', 'this sealer is closed')
    const payload = Buffer.concat([...parts, new Uint8Array(TAG_BYTES).fill(0x7a)])
    if (payload.byteLength > FRAGMENT_MAX_BYTES) {
      throw new HomewardError('FRAGMENT_TOO_LONG', `a payload of ${payload.byteLength} bytes`)
    }
    const record = new Uint8Array(RECORD_HEADER_BYTES + payload.byteLength)
    record.set(payload, RECORD_HEADER_BYTES)
    encodeRecordHeader(
      {
        ...meta,
        camera: this.camera,
        log: this.log,
        recipient: this.recipient,
        wrappedKey: new Uint8Array(80),
        signature: new Uint8Array(64),
        nonce: new Uint8Array(24),
        payloadBytes: payload.byteLength,
      },
      record.subarray(0, RECORD_HEADER_BYTES),
    )
    return record
  }

  close(): void {
    this.closed = true
  }
}

/** What a record of a FakeSealer holds. */
export function unsealFake(record: Uint8Array): Uint8Array {
  return record.subarray(RECORD_HEADER_BYTES, record.byteLength - TAG_BYTES)
}
