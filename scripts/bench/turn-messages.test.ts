import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../../firmware/wire/errors.ts'
import {
  allocateRequest,
  channelBindRequest,
  channelHeader,
  isChannelData,
  readResponse,
  relayedAddress,
} from './turn-messages.ts'

const TRANSACTION = Buffer.from('b7e7a701bc34d686fa87dfae', 'hex')
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const message = (type: string, attributes: string) =>
  Buffer.from(
    `${type}${(attributes.length / 2).toString(16).padStart(4, '0')}2112a442${hex(TRANSACTION)}${attributes}`,
    'hex',
  )

test('requests as RFC 8656 has them', () => {
  assert.is(hex(allocateRequest(TRANSACTION)), `000300082112a442${hex(TRANSACTION)}0019000411000000`)
  const bind = channelBindRequest(TRANSACTION, { host: '192.0.2.1', port: 32853 })
  assert.is(hex(bind), `000900142112a442${hex(TRANSACTION)}000c000440000000001200080001a147e112a643`)
})

test('the allocated address, XORed as in RFC 5769 2.2, behind an attribute that is padded', () => {
  const answer = message('0103', '80220003616263200016000800' + '01a147e112a643')
  const attributes = readResponse(answer, TRANSACTION)
  assert.equal(attributes && relayedAddress(attributes), { host: '192.0.2.1', port: 32853 })
})

test('an error response throws; what answers another request is passed over', () => {
  const isInternal = (error: unknown) => isHomewardError(error, 'INTERNAL')
  assert.throws(() => readResponse(message('0113', '0009000400000401'), TRANSACTION), isInternal)
  assert.throws(() => relayedAddress(new Map()), isInternal)
  assert.is(readResponse(message('0103', ''), Buffer.alloc(12)), undefined)
})

test('channel data', () => {
  assert.is(hex(channelHeader(1476)), '400005c4')
  assert.is(isChannelData(Buffer.from([0x40, 0, 0, 1, 7])), true)
  assert.is(isChannelData(message('0103', '')), false)
})

test.run()
