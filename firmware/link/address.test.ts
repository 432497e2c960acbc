import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ByteReader } from '../wire/bytes.ts'
import { isHomewardError } from '../wire/errors.ts'
import {
  ADDRESS_MAX_BYTES,
  addressBytes,
  addressScope,
  canonicalAddress,
  encodeAddress,
  formatAddress,
  parseAddress,
  readAddress,
  sameAddress,
} from './address.ts'

test('text forms', () => {
  const forms: [string, string, number][] = [
    ['192.0.2.1:7441', '192.0.2.1', 7441],
    ['[2001:db8::1]:7441', '2001:db8::1', 7441],
    ['[2001:0DB8:0:0:0:0:0:1]:65535', '2001:db8::1', 65535],
    ['[::]:1', '::', 1],
    ['[::ffff:192.0.2.1]:9', '192.0.2.1', 9],
    ['[64:ff9b::192.0.2.33]:9', '64:ff9b::c000:221', 9],
  ]
  for (const [text, host, port] of forms) assert.equal(parseAddress(text), { host, port }, text)
  assert.is(formatAddress({ host: '192.0.2.1', port: 1 }), '192.0.2.1:1')
  assert.is(formatAddress({ host: 'fd00::1', port: 1 }), '[fd00::1]:1')
})

test('a default port', () => {
  assert.equal(parseAddress('192.0.2.1', 5), { host: '192.0.2.1', port: 5 })
  assert.equal(parseAddress('[fd00::1]', 5), { host: 'fd00::1', port: 5 })
  assert.equal(parseAddress('fd00::1', 5), { host: 'fd00::1', port: 5 })
  assert.equal(parseAddress('192.0.2.1:6', 5), { host: '192.0.2.1', port: 6 })
})

test('RFC 5952: one text for each address', () => {
  const canonical: [string, string][] = [
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['FE80::A', 'fe80::a'],
  ]
  for (const [from, to] of canonical) assert.is(canonicalAddress(from, 1)?.host, to)
})

test('refuses what is no literal address', () => {
  const wrong = [
    '',
    ':1',
    'example.org:1',
    '1.2.3:4',
    '1.2.3.4',
    '1.2.3.4:0',
    '1.2.3.4:65536',
    '1.2.3.4:x',
    '[fd00::1]',
    'fd00::1',
    '[fe80::1%eth0]:1',
    '[1.2.3.4]x:1',
    '[::1',
    '01.2.3.4:1',
  ]
  for (const text of wrong) {
    try {
      parseAddress(text)
      assert.unreachable(text)
    } catch (error) {
      assert.ok(isHomewardError(error, 'CONFIG_INVALID'), text)
    }
  }
  assert.is(canonicalAddress('fe80::1%eth0', 1), undefined)
  assert.is(canonicalAddress('1.2.3.4', 0), undefined)
  assert.is(canonicalAddress('localhost', 1), undefined)
})

const anyAddress = fc
  .tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 1, max: 65535 }))
  .map(([host, port]) => canonicalAddress(host, port))

test('every address survives text and bytes', () => {
  fc.assert(
    fc.property(anyAddress, (address) => {
      assert.ok(address)
      if (address === undefined) return
      assert.equal(parseAddress(formatAddress(address)), address)
      const bytes = encodeAddress(address)
      assert.is(bytes.byteLength, addressBytes(address))
      assert.ok(bytes.byteLength <= ADDRESS_MAX_BYTES)
      assert.equal(readAddress(new ByteReader(bytes)), address)
      assert.ok(sameAddress(address, { ...address }))
    }),
    { numRuns: 500 },
  )
})

test('strict bytes', () => {
  const good = encodeAddress({ host: '2001:db8::1', port: 7441 })
  for (let length = 0; length < good.byteLength; length++) {
    assert.throws(() => readAddress(new ByteReader(good.subarray(0, length))))
  }
  const mapped = new Uint8Array(19)
  mapped.set([6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4, 1, 0])
  for (const bytes of [Uint8Array.of(5, 1, 2, 3, 4, 1, 0), Uint8Array.of(4, 1, 2, 3, 4, 0, 0), mapped]) {
    assert.throws(() => readAddress(new ByteReader(bytes)))
  }
  assert.throws(() => encodeAddress({ host: 'example.org', port: 1 }))
})

test('scopes', () => {
  const scopes = {
    loopback: ['127.0.0.1', '::1', '0.0.0.0'],
    'link-local': ['169.254.1.1', 'fe80::1', 'febf::1'],
    private: ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1', 'fd00::1', 'fc00::1'],
    public: ['8.8.8.8', '172.32.0.1', '100.128.0.1', '192.169.0.1', '2001:db8::1', 'fec0::1'],
  }
  for (const [scope, hosts] of Object.entries(scopes)) {
    for (const host of hosts) assert.is(addressScope(host), scope, host)
  }
})

test.run()
