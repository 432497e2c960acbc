/**
 * Settings of the programs: a TOML file, flags on top, a default for every key. One table per program is the only place
 * where a key exists; help, flags and the check of the file are made from it.
 */
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { parse, TomlError } from 'smol-toml'
import { parseUid } from '../link/uid.ts'
import { HomewardError, isHomewardError, systemCode } from '../wire/errors.ts'
import { formatBytes } from './output.ts'

export interface Setting<T> {
  /** As in the file; the flag is `--` and the same word. */
  readonly key: string
  /** The flag's value in the help. */
  readonly placeholder: string
  readonly help: string
  readonly fallback: T
  /** How the help writes the fallback, when not as it is. */
  readonly shown?: string
  /** The value of a flag (always text) or of the file; undefined when it is not what is expected. */
  read(value: unknown): T | undefined
  /** Completes "expected …". */
  readonly expected: string
}

export type SettingTable = Readonly<Record<string, Setting<unknown>>>
export type SettingsOf<Table extends SettingTable> = {
  readonly [Name in keyof Table]: Table[Name] extends Setting<infer T> ? T : never
}

/** Adds the table's flags, and `--config`, to a command. */
export function addSettingFlags(command: Command, table: SettingTable): Command {
  for (const { key, placeholder, help, fallback, shown = describe(fallback) } of Object.values(table)) {
    const suffix = fallback === undefined || fallback === '' ? '' : ` (default: ${shown})`
    command.option(`--${key} <${placeholder}>`, `${help}${suffix}`)
  }
  return command.option('--config <FILE>', 'settings in TOML; flags go before it')
}

/** The settings in force. Throws CONFIG_INVALID naming the key, the value and what was expected. */
export async function loadSettings<Table extends SettingTable>(
  table: Table,
  flags: Readonly<Record<string, unknown>>,
): Promise<SettingsOf<Table>> {
  const path = typeof flags.config === 'string' ? flags.config : undefined
  const file = path === undefined ? {} : await readToml(path)
  const known = Object.values(table).map((setting) => setting.key)
  for (const key of Object.keys(file)) {
    if (known.includes(key)) continue
    throw new HomewardError('CONFIG_INVALID', `${path}: unknown key "${key}"`, {
      hint: `Known keys: ${known.join(', ')}.`,
    })
  }
  const values = Object.entries(table).map(([name, setting]) => {
    const flag = flags[camelCase(setting.key)]
    if (flag !== undefined) return [name, check(setting, flag, `--${setting.key}`)]
    const value = file[setting.key]
    return [name, value === undefined ? setting.fallback : check(setting, value, `${path}: ${setting.key}`)]
  })
  return Object.fromEntries(values) as SettingsOf<Table>
}

function check<T>(setting: Setting<T>, value: unknown, where: string): T {
  const result = setting.read(value)
  if (result !== undefined) return result
  throw new HomewardError(
    'CONFIG_INVALID',
    `${where}: ${JSON.stringify(value)} is not valid, expected ${setting.expected}`,
  )
}

async function readToml(path: string): Promise<Record<string, unknown>> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    const why = systemCode(cause) === 'ENOENT' ? 'does not exist' : `cannot be read (${systemCode(cause)})`
    throw new HomewardError('CONFIG_INVALID', `the settings file ${path} ${why}`, { cause })
  }
  try {
    return parse(text)
  } catch (cause) {
    const at = cause instanceof TomlError ? `, line ${cause.line}, column ${cause.column}` : ''
    const why =
      cause instanceof Error ? (cause.message.split('\n')[0] ?? '').replace(/^Invalid TOML document: /, '') : ''
    throw new HomewardError('CONFIG_INVALID', `${path}${at}: not valid TOML: ${why}`, {
      hint: 'Text stands in quotes, as in: source = "test"',
      cause,
    })
  }
}

const camelCase = (key: string) => key.replace(/-([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase())

const describe = (value: unknown) =>
  typeof value === 'object' && value !== null && 'host' in value && 'port' in value
    ? `${value.host}:${value.port}`
    : String(value)

// ── Kinds of values ──────────────────────────────────────────────────────────────────────────────────────────────────

interface Text {
  readonly key: string
  readonly placeholder: string
  readonly help: string
}

export function text(about: Text, fallback: string): Setting<string> {
  return {
    ...about,
    fallback,
    expected: 'some text',
    read: (value) => (typeof value === 'string' && value.length > 0 ? value : undefined),
  }
}

/** Text, or nothing: what that means, the help says. */
export function optionalText(about: Text, fallback: undefined): Setting<string | undefined> {
  return { ...text(about, ''), fallback }
}

export function oneOf<T extends string>(about: Text, choices: readonly T[], fallback: T): Setting<T> {
  return {
    ...about,
    fallback,
    expected: `one of ${choices.join(', ')}`,
    read: (value) => choices.find((choice) => choice === value),
  }
}

export function folder(about: Text, fallback: string): Setting<string> {
  return {
    ...about,
    fallback,
    expected: 'the path of a folder',
    read: (value) => (typeof value === 'string' && value.length > 0 ? resolve(value) : undefined),
  }
}

export interface HostPort {
  readonly host: string
  readonly port: number
}

/** HOST:PORT, an IPv6 address in brackets. Port 0 (the system chooses) only where `anyPort`. */
export function hostPort<F extends HostPort | undefined>(
  about: Text,
  fallback: F,
  anyPort = false,
): Setting<HostPort | F> {
  return {
    ...about,
    fallback,
    expected: 'HOST:PORT, such as 192.0.2.1:7440, server.example:7440 or [2001:db8::1]:7440',
    read: (value) => readHostPort(value, anyPort),
  }
}

/** HOST:PORT, or the word `off`. */
export function hostPortOrOff(about: Text, fallback: HostPort): Setting<HostPort | 'off'> {
  return {
    ...about,
    fallback,
    expected: 'HOST:PORT, such as 0.0.0.0:7480, or off',
    read: (value) => (value === 'off' ? value : readHostPort(value, true)),
  }
}

/** Names with commas between them; in a file also a list. */
export function nameList(about: Text): Setting<readonly string[]> {
  return {
    ...about,
    fallback: [],
    shown: 'none',
    expected: 'names of hosts, with commas between them',
    read: (value) => {
      const names = (Array.isArray(value) ? value : String(value).split(',')).map((name) => String(name).trim())
      return names.every((name) => /^[a-z0-9._-]+$/i.test(name)) ? names : undefined
    },
  }
}

export function readHostPort(value: unknown, anyPort = false): HostPort | undefined {
  const match = typeof value === 'string' ? /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/.exec(value) : null
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  return host !== undefined && port <= 65535 && (port > 0 || anyPort) ? { host, port } : undefined
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  K: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
}

export function byteCount<F extends number | undefined>(about: Text, fallback: F, least = 0): Setting<number | F> {
  return {
    ...about,
    fallback,
    ...(fallback === undefined ? {} : { shown: formatBytes(fallback) }),
    expected: `a number of bytes, such as 64GiB, 500MB or 1048576${least > 0 ? `, at least ${formatBytes(least)}` : ''}`,
    read: (value) => {
      const match = /^(\d+(?:\.\d+)?) ?(Ki|Mi|Gi|Ti|K|M|G|T|)B?$/.exec(String(value))
      const bytes = Math.round(Number(match?.[1]) * (UNITS[match?.[2] ?? ''] ?? Number.NaN))
      return Number.isSafeInteger(bytes) && bytes >= least ? bytes : undefined
    },
  }
}

/** Days, also parts of one. */
export function dayCount(about: Text): Setting<number | undefined> {
  return {
    ...about,
    fallback: undefined,
    expected: 'a number of days above 0, such as 30 or 0.5',
    read: (value) => {
      const days = /^\d+(\.\d+)?$/.test(String(value)) ? Number(value) : Number.NaN
      return days > 0 && days <= DAYS_MAX ? days : undefined
    },
  }
}

/** A century: more is a slip of the finger. */
const DAYS_MAX = 36_500

/** The public key of another device, as text. */
export function publicKey(about: Text): Setting<Uint8Array | undefined> {
  return {
    ...about,
    fallback: undefined,
    expected: 'a key as text, 56 characters',
    read: (value) => {
      try {
        return typeof value === 'string' ? parseUid(value) : undefined
      } catch (error) {
        if (isHomewardError(error, 'UID_INVALID')) return undefined
        throw error
      }
    },
  }
}

/** The argument of a flag that is no setting. Throws USAGE. */
export function wholeNumber(flag: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= least && value <= most) return value
  throw new HomewardError('USAGE', `${flag}: "${text}" is not valid, expected a whole number from ${least} to ${most}`)
}

/** Where a program keeps its identity and settings unless told otherwise. */
export function defaultState(role: string): string {
  if (process.getuid?.() === 0) return `/var/lib/homeward/${role}`
  return join(process.env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state'), 'homeward', role)
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const

/** For both ends of a pair. */
export const p2pTls = () =>
  hostPort(
    {
      key: 'p2p-tls',
      placeholder: 'HOST:PORT',
      help: 'where the P2P server is reached by TLS (default: the same host; the port it says, or three above)',
    },
    undefined,
  )

/** Settings that every program has. */
export const commonSettings = (role: string) => ({
  state: folder(
    { key: 'state', placeholder: 'DIR', help: 'keys, pairings and the control socket' },
    defaultState(role),
  ),
  logLevel: oneOf(
    { key: 'log-level', placeholder: 'LEVEL', help: `how much is logged to stderr: ${LOG_LEVELS.join(', ')}` },
    LOG_LEVELS,
    'info',
  ),
})

/** The board that an agent runs on, and its LED. */
export function boardSettings() {
  return {
    board: optionalText(
      { key: 'board', placeholder: 'NAME', help: 'the board this runs on: VENDOR/BOARD, or a board.toml' },
      undefined,
    ),
    led: oneOf(
      { key: 'led', placeholder: 'on|dark', help: "the board's LED while all is well" },
      ['on', 'dark'] as const,
      'on',
    ),
  }
}
