/**
 * One agent per root: `.homeward/lock` names the process that has it. A process that is gone, or a boot that is over, has
 * it no longer, so that a crash leaves nothing to clear up by hand.
 */
import { readFileSync } from 'node:fs'
import type { Disk } from '../../platform/disk.ts'
import { readWhole } from '../../platform/disk-files.ts'
import { type Random, realRandom } from '../../platform/random.ts'
import { toHex } from '../../wire/bytes.ts'
import { HomewardError, systemCode } from '../../wire/errors.ts'
import { removeIfThere } from './open-file.ts'

export interface Lock {
  release(): Promise<void>
}

interface Owner {
  readonly pid: number
  /** Start of the process in clock ticks since boot: a number that is used again later differs. */
  readonly started: string
  readonly boot: string
  /** Tells two archives of one process apart. */
  readonly token: string
}

const LOCK_MAX_BYTES = 4096
const held = new WeakMap<Disk, Set<string>>()

/** Throws AGENT_RUNNING when another process, or this one already, has the root. */
export async function acquireLock(disk: Disk, path: string, random: Random = realRandom): Promise<Lock> {
  const owner = { pid: process.pid, started: startOf(process.pid) ?? '', boot: bootId(), token: toHex(random.bytes(8)) }
  const tokens = held.get(disk) ?? new Set<string>()
  held.set(disk, tokens)
  if (!(await tryCreate(disk, path, owner))) {
    const other = await readOwner(disk, path)
    if (other !== undefined && isAlive(other, tokens)) throw running(other.pid)
    const mine = `${path}.${owner.token}`
    await tryCreate(disk, mine, owner)
    await disk.rename(mine, path)
    const winner = await readOwner(disk, path)
    if (winner?.token !== owner.token) throw running(winner?.pid)
  }
  tokens.add(owner.token)
  return {
    async release() {
      if (!tokens.delete(owner.token)) return
      const now = await readOwner(disk, path)
      if (now?.token === owner.token) await removeIfThere(disk, path)
    },
  }
}

async function tryCreate(disk: Disk, path: string, owner: Owner): Promise<boolean> {
  try {
    const file = await disk.open(path, 'create')
    try {
      await file.write([new Uint8Array(Buffer.from(JSON.stringify(owner)))], 0)
    } finally {
      await file.close()
    }
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    throw error
  }
}

async function readOwner(disk: Disk, path: string): Promise<Owner | undefined> {
  const bytes = await readWhole(disk, path, LOCK_MAX_BYTES)
  try {
    return JSON.parse(Buffer.from(bytes ?? []).toString()) as Owner
  } catch {
    return undefined
  }
}

function isAlive(owner: Owner, tokens: ReadonlySet<string>): boolean {
  if (owner.pid === process.pid && owner.started === startOf(process.pid)) return tokens.has(owner.token)
  return owner.boot === bootId() && owner.started !== '' && startOf(owner.pid) === owner.started
}

/** Field 22 of proc(5) `stat`; its second field may hold spaces and brackets. Undefined when there is no such process. */
function startOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${Math.trunc(pid)}/stat`, 'latin1')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
}

function running(pid: number | undefined): HomewardError {
  return new HomewardError('AGENT_RUNNING', `the archive is in use by process ${pid ?? 'unknown'}`, {
    hint: 'Stop that agent first, or give this one another root.',
  })
}
