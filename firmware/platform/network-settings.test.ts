import { execFileSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../wire/errors.ts'
import { changeNetwork, DEFAULT_NETWORK, decodeNetwork, describeNetwork, encodeNetwork } from './network-settings.ts'

const change = (...words: string[]) => changeNetwork(DEFAULT_NETWORK, words)

test('what is written is read back', () => {
  const wifi = change('wifi', 'Büro 5"$(x)', 'correct horse')
  for (const settings of [
    DEFAULT_NETWORK,
    change('static', '192.168.1.20/24', '192.168.1.1'),
    change('static', '10.0.0.2/8', '10.0.0.1', '9.9.9.9'),
    wifi,
    change('wifi', 'open'),
    changeNetwork(wifi, ['static', '10.0.0.2/8', '10.0.0.1']),
    changeNetwork(wifi, ['wifi', 'off']),
  ]) {
    assert.equal(decodeNetwork(encodeNetwork(settings)), settings)
  }
})

test('a shell reads nothing into the file, and the passphrase is not in it', () => {
  const text = encodeNetwork(change('wifi', `$(reboot)'"; x`, `$(reboot)'"; pass`))
  assert.match(text, /^(?:[A-Z_]+=[0-9A-Za-z./]*\n)+$/)
  const shown = execFileSync('sh', ['-c', `${text}\necho "$WIFI_SSID"`], { encoding: 'utf8' })
  assert.is(Buffer.from(shown.trim(), 'hex').toString(), `$(reboot)'"; x`)
})

test('the key is that of IEEE 802.11i, annex H.4.1', () => {
  const { wifi } = change('wifi', 'IEEE', 'password')
  assert.is(wifi?.psk, 'f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e')
})

test('a person sees no key', () => {
  assert.equal(describeNetwork(change('wifi', 'home', 'secret123')), [
    'address: by DHCP',
    'Wi-Fi: home (with a passphrase)',
  ])
})

const WRONG: [string[], RegExp][] = [
  [['on'], /expected dhcp, static or wifi/],
  [['dhcp', 'x'], /expected dhcp/],
  [['static'], /"" is no address with its network's bits, expected such as/],
  [['static', '192.168.1.20'], /"192\.168\.1\.20" is no address/],
  [['static', '192.168.1.20/33', '192.168.1.1'], /is no address/],
  [['static', '192.168.1.300/24', '192.168.1.1'], /is no address/],
  [['static', '192.168.1.20/24'], /the gateway ""/],
  [['static', '192.168.1.20/24', '192.168.1.1', 'dns.example'], /name server "dns\.example"/],
  [['static', '192.168.1.20/24', '192.168.1.1', '1.1.1.1', 'x'], /"x" is too much/],
  [['wifi'], /1 to 32 bytes, this one 0/],
  [['wifi', 'x'.repeat(33)], /this one 33/],
  [['wifi', 'home', 'short'], /8 to 63 plain characters$/],
  [['wifi', 'home', 'my', 'secret'], /in quotes/],
]

for (const [words, message] of WRONG) {
  test(`refused: ${words.join(' ')}`, () => {
    try {
      change(...words)
      assert.unreachable()
    } catch (error) {
      assert.ok(isHomewardError(error, 'USAGE'))
      assert.match((error as Error).message, message)
      assert.not.match((error as Error).message, /short|secret/)
    }
  })
}

test('a damaged file counts as none', () => {
  for (const text of [undefined, '', 'MODE=static\n', 'MODE=static\nADDRESS=x\n', 'WIFI_SSID=zz\n', '\0\0\0']) {
    assert.equal(decodeNetwork(text), DEFAULT_NETWORK)
  }
})

test.run()
