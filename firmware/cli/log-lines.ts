/** Log entries as a person at a terminal reads them; everywhere else the log is JSON, one object a line. Pure. */

interface Entry {
  readonly level: number
  readonly time: number
  readonly msg: string
  readonly [name: string]: unknown
}

const WARN = 40
const ERROR = 50

/** `13:46:52Z  storage agent is up  listen=0.0.0.0:7441 root=/srv/homeward`; text that is no entry stays as it is. */
export function formatEntry(line: string): string {
  let entry: Entry
  try {
    entry = JSON.parse(line) as Entry
  } catch {
    return line
  }
  const { level, time, msg, ...rest } = entry
  const clock = `${new Date(time).toISOString().slice(11, 19)}Z`
  const kind = level >= ERROR ? 'error: ' : level >= WARN ? 'warning: ' : ''
  const details = Object.entries(rest).map(([name, value]) => `${name}=${formatValue(value)}`)
  return `${[clock, `${kind}${msg}`, details.join(' ')].filter((part) => part !== '').join('  ')}\n`
}

function formatValue(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'object' && value !== null) {
    if ('host' in value && 'port' in value) {
      return String(value.host).includes(':') ? `[${value.host}]:${value.port}` : `${value.host}:${value.port}`
    }
    if ('message' in value && 'stack' in value) return String(value.message)
  }
  return JSON.stringify(value)
}
