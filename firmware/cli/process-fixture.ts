/** What still runs on this machine, for tests that leave nothing running. */
import { readdir, readFile } from 'node:fs/promises'

/** Command lines of the processes that name `text` in their arguments, and of all their children; this one left out. */
export async function processesWith(text: string): Promise<string[]> {
  const all = await processes()
  const found = new Set(all.filter(({ line, pid }) => line.includes(text) && pid !== process.pid).map(({ pid }) => pid))
  for (let before = -1; before !== found.size; ) {
    before = found.size
    for (const { pid, parent } of all) if (found.has(parent)) found.add(pid)
  }
  return all.filter(({ pid }) => found.has(pid)).map(({ line }) => line)
}

/** How many sockets there are at the path of a Unix socket: the listening one, and one for each connection, accepted or not. */
export async function socketsAt(path: string): Promise<number> {
  const lines = (await readFile('/proc/net/unix', 'utf8')).split('\n')
  return lines.filter((line) => line.endsWith(` ${path}`)).length
}

interface Process {
  readonly pid: number
  readonly parent: number
  readonly line: string
}

async function processes(): Promise<Process[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const read = async (pid: number): Promise<Process | undefined> => {
    try {
      const line = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ').trim()
      const stat = await readFile(`/proc/${pid}/stat`, 'latin1')
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return state === 'Z' ? undefined : { pid, parent: Number(parent), line }
    } catch {
      // It has ended meanwhile.
      return undefined
    }
  }
  return (await Promise.all(pids.map(read))).filter((one) => one !== undefined)
}
