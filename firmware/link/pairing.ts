/** What a camera knows of its storage device: STATE/pairing.json. */
import { join } from 'node:path'
import { equalBytes, fromHex, toHex } from '../wire/bytes.ts'
import { HomewardError } from '../wire/errors.ts'
import { type Address, formatAddress, parseAddress } from './address.ts'
import { cleanName } from './names.ts'
import { removePrivate } from './private-file.ts'
import type { SetupCode, SetupServer } from './setup-code.ts'
import { asFields, type Fields, isCount, isHex, readState, stateDamaged, writeState } from './state-json.ts'
import { formatUid, parseUid } from './uid.ts'

const FILE = 'pairing.json'
const FORMAT = 'homeward-pairing-1'

/** Where the storage device was met lately; more would only be more probes. */
export const CACHED_ADDRESSES_MAX = 8

export interface Pairing {
  /** The storage device's key: what footage is sealed for. */
  readonly storage: Uint8Array
  readonly server?: SetupServer
  /** Present until the storage device has confirmed the enrolment. */
  readonly token?: Uint8Array
  /** What the camera asks to be called; empty for no wish. */
  readonly wantedName: string
  /** What it is called, once enrolled. */
  readonly name?: string
  /** Most recently met first. */
  readonly addresses: readonly Address[]
}

export class PairingFile {
  readonly #path: string
  #current: Pairing | undefined
  #writing: Promise<unknown> = Promise.resolve()

  private constructor(path: string) {
    this.#path = path
  }

  /** Throws STATE_DAMAGED. */
  static async open(stateDir: string): Promise<PairingFile> {
    const file = new PairingFile(join(stateDir, FILE))
    file.#current = pairingOf(await readState(file.#path, FORMAT), file.#path)
    return file
  }

  /** Undefined until `setup`. */
  get current(): Pairing | undefined {
    return this.#current
  }

  /** Takes a setup code. Whether records for another storage device stand in the way is for the caller to check before. */
  setup(code: SetupCode, wantedName = ''): Promise<Pairing> {
    return this.#change(() => {
      const { storage, token, server } = code
      const known =
        this.#current !== undefined && equalBytes(this.#current.storage, storage) ? this.#current.addresses : []
      const addresses = merged(code.addresses, known)
      return {
        storage,
        token,
        wantedName: cleanName(wantedName),
        addresses,
        ...(server === undefined ? {} : { server }),
      }
    })
  }

  /** What the camera asks to be called from now on. */
  wish(wantedName: string): Promise<Pairing> {
    return this.#change(() => ({ ...this.#known(), wantedName: cleanName(wantedName) }))
  }

  /** Forgets the storage device. */
  clear(): Promise<void> {
    const done = this.#writing.then(async () => {
      await removePrivate(this.#path)
      this.#current = undefined
    })
    this.#writing = done.catch(() => {})
    return done
  }

  /** The storage device has confirmed: the token is not needed any more. Without `name` the last one stays. */
  async enrolled(name?: string): Promise<Pairing> {
    const { token, name: known } = this.#known()
    if (token === undefined && (name === undefined || cleanName(name) === known)) return this.#known()
    return this.#change(() => {
      const { token: _, ...rest } = this.#known()
      return name === undefined ? rest : { ...rest, name: cleanName(name) }
    })
  }

  /** Puts addresses the storage device was met at in front. Writes only when the list changes. */
  async remember(addresses: readonly Address[]): Promise<Pairing> {
    const { addresses: known } = this.#known()
    if (merged(addresses, known).map(formatAddress).join() === known.map(formatAddress).join()) return this.#known()
    return this.#change(() => ({ ...this.#known(), addresses: merged(addresses, this.#known().addresses) }))
  }

  #known(): Pairing {
    if (this.#current !== undefined) return this.#current
    throw new HomewardError('NOT_PROVISIONED', 'this camera has not been set up', {
      hint: 'Make a setup code with `homeward storage pair` and give it to `homeward camera setup`.',
    })
  }

  #change(make: () => Pairing): Promise<Pairing> {
    const done = this.#writing.then(async () => {
      const next = make()
      await writeState(this.#path, FORMAT, encode(next))
      this.#current = next
      return next
    })
    this.#writing = done.catch(() => {})
    return done
  }
}

function merged(newer: readonly Address[], older: readonly Address[]): Address[] {
  const byText = new Map([...newer, ...older].map((address) => [formatAddress(address), address]))
  return [...byText.values()].slice(0, CACHED_ADDRESSES_MAX)
}

function encode(pairing: Pairing): Fields {
  const { storage, server, token, wantedName, name, addresses } = pairing
  return {
    storage: formatUid(storage),
    ...(server === undefined ? {} : { server: { ...server, key: toHex(server.key) } }),
    ...(token === undefined ? {} : { token: toHex(token) }),
    wantedName,
    ...(name === undefined ? {} : { name }),
    addresses: addresses.map(formatAddress),
  }
}

function pairingOf(fields: Fields | undefined, path: string): Pairing | undefined {
  if (fields === undefined) return undefined
  const { storage, server, token, wantedName, name, addresses } = fields
  const fits =
    typeof storage === 'string' &&
    (token === undefined || isHex(token, 16)) &&
    typeof wantedName === 'string' &&
    cleanName(wantedName) === wantedName &&
    (name === undefined || typeof name === 'string') &&
    Array.isArray(addresses)
  if (!fits) throw stateDamaged(path, 'it has wrong fields')
  try {
    return {
      storage: parseUid(storage),
      ...(server === undefined ? {} : { server: serverOf(server, path) }),
      ...(token === undefined ? {} : { token: fromHex(token) }),
      wantedName,
      ...(name === undefined ? {} : { name }),
      addresses: addresses.map((one: unknown) => parseAddress(String(one))),
    }
  } catch (cause) {
    throw stateDamaged(path, cause instanceof Error ? cause.message : 'it has wrong fields', cause)
  }
}

function serverOf(value: unknown, path: string): SetupServer {
  const { host, port, key } = asFields(value) ?? {}
  if (typeof host !== 'string' || !isCount(port) || !isHex(key, 32))
    throw stateDamaged(path, '"server" has wrong fields')
  return { host, port, key: fromHex(key) }
}
