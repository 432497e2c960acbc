/** Real file systems for tests, where this machine lets a test mount some. */
import { execFile, spawnSync } from 'node:child_process'
import { access, mkdir, mkdtemp, rmdir, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

/** Resolves with what the program printed; rejects with what it complained about. */
function run(program: string, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, (error, stdout, stderr) => {
      if (error === null) resolve(stdout.trim())
      else reject(new Error(`${program} ${args.join(' ')}: ${stderr.trim() || error.message}`))
    })
  })
}

const firstLine = (error: unknown) => (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? ''

/** Why nothing can be mounted; undefined when it can. */
export async function cannotMount(): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'homeward-mount-'))
  try {
    await run('mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder)
    await run('umount', folder)
    return undefined
  } catch (error) {
    return firstLine(error)
  } finally {
    await rmdir(folder)
  }
}

/** Why `Mounts.ext4` or `breakDisk` does not work here; undefined when they do. */
export async function cannotBreak(): Promise<string | undefined> {
  try {
    for (const program of ['mkfs.ext4', 'e2fsck', 'findmnt']) await run('which', program)
    await access('/dev/loop-control')
    await access('/sys/fs/ext4')
    return undefined
  } catch (error) {
    return firstLine(error)
  }
}

/** What a test mounted, so that all of it can be undone. */
export class Mounts {
  /** Folders, the latest last. */
  readonly #folders = new Set<string>()
  /** Should this process end before `close`; before what they stand in is removed. */
  readonly #onExit = () => {
    for (const folder of [...this.#folders].reverse()) spawnSync('umount', ['-l', folder])
  }

  constructor() {
    process.prependOnceListener('exit', this.#onExit)
  }

  /** In memory. */
  async tmpfs(folder: string, size: string): Promise<TmpfsMount> {
    const mount = new TmpfsMount(folder)
    await this.#add(folder, ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs'])
    return mount
  }

  /** A disk that can be taken away while programs use it, and given back with what is on it. */
  async removable(folder: string, size: string): Promise<RemovableMount> {
    const store = await this.tmpfs(`${folder}.store`, size)
    const how = ['--bind', store.folder]
    await this.#add(folder, how)
    return new RemovableMount(folder, how, store)
  }

  /** A disk with a journal, which goes read-only at its first error, as disks of storage devices do. */
  async ext4(folder: string, image: string, bytes: number): Promise<Ext4Mount> {
    await writeFile(image, '')
    await truncate(image, bytes)
    await run('mkfs.ext4', '-q', '-F', image)
    await this.#add(folder, ext4From(image))
    return new Ext4Mount(folder, image)
  }

  /** Whatever is still mounted, and open. */
  async close(): Promise<void> {
    for (const folder of [...this.#folders].reverse()) {
      // A test may have taken it away already.
      await run('umount', '-l', folder).catch(() => undefined)
    }
    this.#folders.clear()
    process.off('exit', this.#onExit)
  }

  async #add(folder: string, how: readonly string[]): Promise<void> {
    await mkdir(folder, { recursive: true })
    this.#folders.add(folder)
    await run('mount', ...how, folder)
  }
}

class TmpfsMount {
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
  }

  async resize(size: string): Promise<void> {
    await run('mount', '-o', `remount,size=${size}`, this.folder)
  }

  /** Read-only is refused while a file is open for writing. */
  async remount(mode: 'ro' | 'rw'): Promise<void> {
    await run('mount', '-o', `remount,${mode}`, this.folder)
  }
}

/** What uses a disk that went bad lets go of it within this time. */
const LET_GO_MS = 20_000

const ext4From = (image: string) => ['-o', 'loop,errors=remount-ro', image]

class AgainMount {
  readonly folder: string
  #how: readonly string[]

  constructor(folder: string, how: readonly string[]) {
    this.folder = folder
    this.#how = how
  }

  /** As a person does, again and again while anything on it is open. */
  async unmount(): Promise<void> {
    for (const until = performance.now() + LET_GO_MS; ; ) {
      try {
        await run('umount', this.folder)
        return
      } catch (error) {
        if (performance.now() > until) throw error
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
    }
  }

  async mountAgain(how = this.#how): Promise<void> {
    this.#how = how
    await run('mount', ...how, this.folder)
  }
}

class RemovableMount extends AgainMount {
  /** The same disk in another place, where it stays. */
  readonly store: TmpfsMount

  constructor(folder: string, how: readonly string[], store: TmpfsMount) {
    super(folder, how)
    this.store = store
  }

  /** At once; who has something open on it keeps that. */
  async takeAway(): Promise<void> {
    await run('umount', '-l', this.folder)
  }
}

class Ext4Mount extends AgainMount {
  readonly #image: string

  constructor(folder: string, image: string) {
    super(folder, ext4From(image))
    this.#image = image
  }

  /** An error of the disk, as the kernel sees it. */
  async breakDisk(): Promise<void> {
    const device = basename(await run('findmnt', '-no', 'SOURCE', this.folder))
    await writeFile(`/sys/fs/ext4/${device}/trigger_fs_error`, '1')
  }

  /** Puts right what is wrong, as a person would, and mounts it again. */
  async mountRepaired(): Promise<void> {
    // A copy: some other mount namespace may still hold what is broken, and then the kernel would give us that again.
    const repaired = `${this.#image}.repaired`
    await run('cp', '--sparse=always', this.#image, repaired)
    // Its exit status is 1 when errors were corrected.
    await run('e2fsck', '-fy', repaired).catch(() => undefined)
    await this.mountAgain(ext4From(repaired))
  }
}
