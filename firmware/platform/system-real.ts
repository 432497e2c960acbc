import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { HomewardError } from '../wire/errors.ts'
import type { System } from './system.ts'

const run = promisify(execFile)

/** Getting an address may take this long; the tool itself gives up before. */
const NETWORK_WITHIN_MS = 30_000

/** A large disk takes minutes; the console answers before its own time is up, and the tool goes on. */
const PREPARE_ANSWER_MS = 25_000
const LIST_WITHIN_MS = 30_000
/** Of `homeward-disk prepare`: nothing was touched, and it has said why. */
const REFUSED = 3

/** Of the service `health`. */
const UPDATE_NOTE = '/run/homeward/update-note'

/** A machine that runs Homeward's image. Elsewhere the tools are missing, and every answer says so. */
export const realSystem: System = {
  async release() {
    return parseRelease(await readFile('/etc/os-release', 'utf8').catch(() => ''))
  },
  async updateNote() {
    const text = await readFile(UPDATE_NOTE, 'utf8').catch(() => '')
    return text.trim() === '' ? undefined : text.trim()
  },
  async applyNetwork() {
    await tool('homeward-network', ['apply'], NETWORK_WITHIN_MS)
  },
  async disks() {
    return (await tool('homeward-disk', ['list'], LIST_WITHIN_MS)).split('\n').filter((line) => line !== '')
  },
  async prepareDisk(device, erase) {
    const done = tool('homeward-disk', ['prepare', device, ...(erase ? ['--erase'] : [])], 0)
    const answer = new AbortController()
    const late = sleep(PREPARE_ANSWER_MS, 'working' as const, { signal: answer.signal })
    // Its end is seen in the list of disks when nobody waits any more.
    for (const promise of [done, late]) promise.catch(() => undefined)
    try {
      return await Promise.race([done.then(() => 'ready' as const), late])
    } finally {
      answer.abort()
    }
  },
  async reboot() {
    await tool('reboot', [], NETWORK_WITHIN_MS)
  },
}

function parseRelease(text: string): ReadonlyMap<string, string> {
  const pairs = text.split('\n').flatMap((line): [string, string][] => {
    const found = /^([A-Z][A-Z0-9_]*)=(.*)$/.exec(line.trim())
    if (found?.[1] === undefined || found[2] === undefined) return []
    return [[found[1], found[2].replace(/^(["'])(.*)\1$/, '$2')]]
  })
  return new Map(pairs)
}

/** What it printed. Rejects with what it said. */
async function tool(name: string, args: readonly string[], timeout: number): Promise<string> {
  try {
    return (await run(name, [...args], { timeout })).stdout
  } catch (cause) {
    const { stderr = '', code } = cause as { stderr?: string; code?: unknown }
    const said = stderr.trim().replace(/^homeward: /, '')
    if (code === REFUSED) throw new HomewardError('DISK_WRONG', said, { cause })
    throw new HomewardError('INTERNAL', `\`${name}\` failed${said === '' ? '' : `: ${said}`}`, {
      hint: 'It comes with the images of `make image`; on other systems use the tools of the system.',
      cause,
    })
  }
}
