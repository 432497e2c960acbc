/**
 * The names of labs, and how everything of one is removed: by itself, when its process ends, or later by somebody else.
 */
import { readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runTool } from './tool.ts'

/** Where iproute2 keeps the names of namespaces. */
const NAMESPACES = '/run/netns'
const ID = /^hwlab-(\d+)-\d+(?=-|$)/
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const

const open = new Set<string>()
let made = 0

/**
 * A name that no other lab on this machine has. Everything named after it is gone when this process ends, unless it is
 * killed by SIGKILL.
 */
export function newLabId(): string {
  if (made === 0) removeAtEnd()
  made += 1
  const id = `hwlab-${process.pid}-${made}`
  open.add(id)
  return id
}

export function namespaceOf(id: string, node: string): string {
  return `${id}-${node}`
}

export function folderOf(id: string): string {
  return join(tmpdir(), id)
}

/** Ends what runs in the lab's namespaces and removes them, with their devices and rules, and the folder. */
export function removeLab(id: string): void {
  const namespaces = namesIn(NAMESPACES).filter((name) => name.startsWith(`${id}-`))
  for (const namespace of namespaces) {
    for (const pid of runTool('ip', ['netns', 'pids', namespace]).split('\n').filter(Boolean)) end(Number(pid))
  }
  for (const namespace of namespaces) runTool('ip', ['netns', 'del', namespace])
  // What was just ended may still be writing its last.
  rmSync(folderOf(id), { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
  open.delete(id)
}

/** Of processes that are no more. */
export function deadLabs(): string[] {
  const ids = [...namesIn(NAMESPACES), ...namesIn(tmpdir())].flatMap((name) => ID.exec(name)?.[0] ?? [])
  return [...new Set(ids)].filter((id) => !isRunning(Number(ID.exec(id)?.[1])))
}

function removeAtEnd(): void {
  process.on('exit', () => {
    for (const id of open) removeLab(id)
  })
  for (const [signal, number] of Object.entries(SIGNALS)) process.on(signal, () => process.exit(128 + number))
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    // No namespace was ever named on this machine.
    return []
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}
