/** What the kernel says of a process. */
import { readdir, readFile } from 'node:fs/promises'

/** Time on a processor so far, all of its threads that still run, to the nanosecond (schedstat, not the 10 ms ticks). */
export async function cpuMs(pid: number): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`)
  const spent = await Promise.all(
    threads.map(async (thread) =>
      Number((await readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8')).split(' ')[0]),
    ),
  )
  return spent.reduce((sum, ns) => sum + ns, 0) / 1e6
}

/** Bytes of memory that are its own or mapped and in use (VmRSS), and the most there ever were (VmHWM). */
export async function memoryBytes(pid: number): Promise<{ readonly rss: number; readonly peak: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024
  return { rss: bytes('VmRSS'), peak: bytes('VmHWM') }
}

/** Bytes it made the kernel write to a block device; every page counts whole, each time it becomes dirty. */
export async function blockWriteBytes(pid: number): Promise<number> {
  return Number(/^write_bytes: (\d+)$/m.exec(await readFile(`/proc/${pid}/io`, 'utf8'))?.[1])
}

/** How much of the whole machine was idle over a second, 0 to 1. */
export async function idleShare(): Promise<number> {
  const read = async () => {
    const [line = ''] = (await readFile('/proc/stat', 'utf8')).split('\n')
    const ticks = line.split(/\s+/).slice(1).map(Number)
    return { idle: (ticks[3] ?? 0) + (ticks[4] ?? 0), all: ticks.slice(0, 8).reduce((sum, value) => sum + value, 0) }
  }
  const before = await read()
  await new Promise((resolve) => setTimeout(resolve, 1000))
  const after = await read()
  return (after.idle - before.idle) / (after.all - before.all)
}
