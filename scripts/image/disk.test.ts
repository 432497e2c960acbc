import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { slotState } from './disk.ts'

/** CRC-32 as in IEEE 802.3, bit by bit. */
function crc(bytes: Uint8Array): number {
  let value = 0xffffffff
  for (const byte of bytes) {
    value ^= byte
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0)
  }
  return (value ^ 0xffffffff) >>> 0
}

test("the slots' state is text of NAME=VALUE with zeros between, two at the end, and its checksum in front", () => {
  const state = Buffer.from(slotState('B', 'A', 1))
  assert.is(state.length, 4096)
  assert.is(state.readUInt32LE(0), crc(state.subarray(4)))
  assert.is(state.subarray(4, state.indexOf('\0\0')).toString(), 'hw_left=1\0hw_slot=B\0hw_try=A')
})

test.run()
