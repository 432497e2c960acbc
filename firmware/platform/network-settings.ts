/**
 * How a board gets into the network, as typed on the serial console and as it stands in `network.conf` in the state folder,
 * which `homeward-network` of the root filesystem reads. Pure.
 */
import { pbkdf2Sync } from 'node:crypto'
import { isIPv4 } from 'node:net'
import { HomewardError } from '../wire/errors.ts'

export const NETWORK_FILE = 'network.conf'

export type AddressSettings =
  | { readonly mode: 'dhcp' }
  | {
      readonly mode: 'static'
      /** `192.168.1.20/24` */
      readonly address: string
      readonly gateway: string
      readonly dns: string
    }

export interface WifiSettings {
  /** Hexadecimal: a network's name is any 1 to 32 bytes. */
  readonly ssidHex: string
  /** The key made of name and passphrase (IEEE 802.11i, annex H.4): 64 hex digits; undefined: an open network. */
  readonly psk: string | undefined
}

export interface NetworkSettings {
  readonly address: AddressSettings
  readonly wifi: WifiSettings | undefined
}

export const DEFAULT_NETWORK: NetworkSettings = { address: { mode: 'dhcp' }, wifi: undefined }

const SSID_MAX_BYTES = 32

/** `dhcp`, `static ADDRESS/BITS GATEWAY [DNS]`, `wifi NAME [PASSPHRASE]` or `wifi off` into new settings. Throws USAGE. */
export function changeNetwork(settings: NetworkSettings, words: readonly string[]): NetworkSettings {
  const [what, ...rest] = words
  if (what === 'dhcp' && rest.length === 0) return { ...settings, address: { mode: 'dhcp' } }
  if (what === 'static') return { ...settings, address: staticAddress(rest) }
  if (what === 'wifi') return { ...settings, wifi: wifi(rest) }
  throw usage('expected dhcp, static or wifi')
}

function staticAddress([address = '', gateway = '', dns = gateway, more]: readonly string[]): AddressSettings {
  const [host = '', bits = '', rest] = address.split('/')
  const isPrefix = /^\d{1,2}$/.test(bits) && Number(bits) >= 1 && Number(bits) <= 31
  if (!isIPv4(host) || !isPrefix || rest !== undefined) {
    throw usage(`"${address}" is no address with its network's bits, expected such as 192.168.1.20/24`)
  }
  if (!isIPv4(gateway)) throw usage(`the gateway "${gateway}" is no IPv4 address, expected such as 192.168.1.1`)
  if (!isIPv4(dns)) throw usage(`the name server "${dns}" is no IPv4 address, expected such as 192.168.1.1`)
  if (more !== undefined) throw usage(`"${more}" is too much`)
  return { mode: 'static', address, gateway, dns }
}

function wifi([name, passphrase, more]: readonly string[]): WifiSettings | undefined {
  if (name === 'off' && passphrase === undefined) return undefined
  const bytes = Buffer.byteLength(name ?? '')
  if (name === undefined || bytes < 1 || bytes > SSID_MAX_BYTES) {
    throw usage(`a Wi-Fi network's name has 1 to ${SSID_MAX_BYTES} bytes, this one ${bytes}`)
  }
  if (more !== undefined) throw usage('put a name or a passphrase with spaces in quotes')
  const ssidHex = Buffer.from(name).toString('hex')
  if (passphrase === undefined) return { ssidHex, psk: undefined }
  // Never repeat the passphrase, not even a wrong one.
  if (!/^[\x20-\x7e]{8,63}$/.test(passphrase)) throw usage('a passphrase has 8 to 63 plain characters')
  return { ssidHex, psk: pbkdf2Sync(passphrase, name, 4096, 32, 'sha1').toString('hex') }
}

function usage(message: string): HomewardError {
  return new HomewardError('USAGE', message)
}

/** NAME=value lines without any character that a shell would treat. */
export function encodeNetwork({ address, wifi: radio }: NetworkSettings): string {
  const lines = [`MODE=${address.mode}`]
  if (address.mode === 'static') {
    lines.push(`ADDRESS=${address.address}`, `GATEWAY=${address.gateway}`, `DNS=${address.dns}`)
  }
  if (radio !== undefined) lines.push(`WIFI_SSID=${radio.ssidHex}`)
  if (radio?.psk !== undefined) lines.push(`WIFI_PSK=${radio.psk}`)
  return `${lines.join('\n')}\n`
}

/** What `encodeNetwork` wrote; a file that does not fit counts as none. */
export function decodeNetwork(text: string | undefined): NetworkSettings {
  const pairs = new Map((text ?? '').split('\n').map((line) => splitOnce(line)))
  const ssidHex = pairs.get('WIFI_SSID')
  const psk = pairs.get('WIFI_PSK')
  const radio = ssidHex !== undefined && /^(?:[0-9a-f]{2}){1,32}$/.test(ssidHex) ? { ssidHex, psk } : undefined
  try {
    const words = [pairs.get('ADDRESS'), pairs.get('GATEWAY'), pairs.get('DNS')].flatMap((word) => word ?? [])
    return { address: pairs.get('MODE') === 'static' ? staticAddress(words) : { mode: 'dhcp' }, wifi: radio }
  } catch {
    return { ...DEFAULT_NETWORK, wifi: radio }
  }
}

function splitOnce(line: string): [string, string] {
  const at = line.indexOf('=')
  return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)]
}

/** For a person: without the key. */
export function describeNetwork({ address, wifi: radio }: NetworkSettings): string[] {
  const line =
    address.mode === 'dhcp'
      ? 'address: by DHCP'
      : `address: ${address.address}, gateway ${address.gateway}, name server ${address.dns}`
  if (radio === undefined) return [line]
  const protection = radio.psk === undefined ? 'open' : 'with a passphrase'
  return [line, `Wi-Fi: ${Buffer.from(radio.ssidHex, 'hex').toString()} (${protection})`]
}
