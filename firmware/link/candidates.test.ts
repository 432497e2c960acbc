import type { NetworkInterfaceInfo } from 'node:os'
import { networkInterfaces } from 'node:os'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MAX_CANDIDATES } from '../wire/signal.ts'
import { type Interfaces, localCandidates } from './candidates.ts'

function info(address: string, internal = false): NetworkInterfaceInfo {
  const common = { address, internal, mac: '00:00:00:00:00:01', cidr: null }
  return address.includes(':')
    ? { ...common, family: 'IPv6', netmask: 'ffff:ffff:ffff:ffff::', scopeid: 0 }
    : { ...common, family: 'IPv4', netmask: '255.255.255.0' }
}

const any = { host: '::', port: 7441 }

/** A NAS with two networks, containers, a VPN, and all sorts of addresses that are of no use to anybody else. */
const nas: Interfaces = {
  lo: [info('127.0.0.1', true), info('::1', true)],
  docker0: [info('172.17.0.1'), info('fe80::42:1')],
  'br-3f2a': [info('172.18.0.1')],
  wg0: [info('10.8.0.2')],
  eth0: [info('192.168.1.5'), info('fe80::1'), info('2001:db8:1::5'), info('fd12::5')],
  eth1: [info('169.254.7.7'), info('10.0.0.5')],
  eth2: [info('203.0.113.5')],
}

const hosts = (interfaces: Interfaces, bound = any, loopback = false) =>
  localCandidates(interfaces, bound, { loopback }).map(({ host }) => host)

test('physical before virtual, private IPv4 first, nothing usable left out', () => {
  assert.equal(hosts(nas), [
    '192.168.1.5',
    '10.0.0.5',
    '203.0.113.5',
    '2001:db8:1::5',
    'fd12::5',
    '172.17.0.1',
    '172.18.0.1',
    '10.8.0.2',
  ])
  assert.ok(localCandidates(nas, any).every(({ port }) => port === 7441))
})

test('a port bound to IPv4 has IPv4 addresses, one bound to an address has that one', () => {
  assert.ok(hosts(nas, { host: '0.0.0.0', port: 1 }).every((host) => !host.includes(':')))
  assert.equal(hosts(nas, { host: '10.0.0.5', port: 1 }), ['10.0.0.5'])
  assert.equal(hosts(nas, { host: '127.0.0.1', port: 1 }), [])
  assert.equal(hosts(nas, { host: '127.0.0.1', port: 1 }, true), ['127.0.0.1'])
})

test('loopback only when asked for, and then last', () => {
  const all = hosts(nas, any, true)
  assert.equal(all.slice(-2), ['127.0.0.1', '::1'])
  assert.is(all.length, hosts(nas).length + 2)
})

test('internal, link-local, unspecified, multicast and malformed addresses are left out', () => {
  const odd = [
    '0.0.0.0',
    '0.1.2.3',
    '224.0.0.1',
    '255.255.255.255',
    '169.254.1.1',
    'fe80::1%eth0',
    'ff02::1',
    '::',
    'x',
  ]
  assert.equal(hosts({ eth0: odd.map((address) => info(address)), eth1: [info('192.168.1.9', true)] }), [])
  assert.equal(hosts({ eth0: undefined }), [])
})

test('many bridges never push out a real network', () => {
  const bridges = Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`br-${at}`, [info(`172.20.${at}.1`)]]))
  const found = hosts({ ...bridges, enp3s0: [info('192.168.1.5'), info('2001:db8::5')] })
  assert.is(found.length, MAX_CANDIDATES)
  assert.equal(found.slice(0, 2), ['192.168.1.5', '2001:db8::5'])
})

test('the same address on two interfaces counts once, at its better place', () => {
  const twice = { docker0: [info('10.1.1.1')], eth1: [info('203.0.113.2')], eth0: [info('10.1.1.1')] }
  assert.equal(hosts(twice), ['10.1.1.1', '203.0.113.2'])
})

test('this machine’s own interfaces are understood', () => {
  const found = localCandidates(networkInterfaces(), any, { loopback: true })
  assert.ok(found.length > 0)
})

test.run()
