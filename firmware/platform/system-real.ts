import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { HomewardError } from '../wire/errors.ts'
import type { System } from './system.ts'

const run = promisify(execFile)

/** Getting an address may take this long; the tool itself gives up before. */
const NETWORK_WITHIN_MS = 30_000

/** A machine that runs Homeward's image. Elsewhere the tools are missing, and every answer says so. */
export const realSystem: System = {
  async release() {
    return parseRelease(await readFile('/etc/os-release', 'utf8').catch(() => ''))
  },
  applyNetwork: () => tool('homeward-network', ['apply'], NETWORK_WITHIN_MS),
  reboot: () => tool('reboot', [], NETWORK_WITHIN_MS),
}

export function parseRelease(text: string): ReadonlyMap<string, string> {
  const pairs = text.split('\n').flatMap((line): [string, string][] => {
    const found = /^([A-Z][A-Z0-9_]*)=(.*)$/.exec(line.trim())
    if (found?.[1] === undefined || found[2] === undefined) return []
    return [[found[1], found[2].replace(/^(["'])(.*)\1$/, '$2')]]
  })
  return new Map(pairs)
}

async function tool(name: string, args: readonly string[], timeout: number): Promise<void> {
  try {
    await run(name, [...args], { timeout })
  } catch (cause) {
    const said = typeof cause === 'object' && cause !== null && 'stderr' in cause ? String(cause.stderr).trim() : ''
    throw new HomewardError('INTERNAL', `\`${name}\` failed${said === '' ? '' : `: ${said}`}`, {
      hint: 'It comes with the images of `make image`; on other systems use the tools of the system.',
      cause,
    })
  }
}
