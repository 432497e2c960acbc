/** Real file systems for tests, where this machine lets a test mount some. */
import { execFile } from 'node:child_process'
import { access, mkdir, truncate, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'

/** Resolves with what the program printed; rejects with what it complained about. */
function run(program: string, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, (error, stdout, stderr) => {
      if (error === null) resolve(stdout.trim())
      else reject(new Error(`${program} ${args.join(' ')}: ${stderr.trim() || error.message}`))
    })
  })
}

/** Why nothing can be mounted; undefined when it can. */
export async function cannotMount(folder: string): Promise<string | undefined> {
  try {
    await (await Mount.tmpfs(folder, '1m')).close()
    return undefined
  } catch (error) {
    return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
  }
}

export class Mount {
  readonly folder: string
  readonly #image: string | undefined

  private constructor(folder: string, image?: string) {
    this.folder = folder
    this.#image = image
  }

  static async tmpfs(folder: string, size: string): Promise<Mount> {
    await mkdir(folder, { recursive: true })
    await run('mount', '-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder)
    return new Mount(folder)
  }

  /** A disk with a journal, which goes read-only at its first error, as disks of storage devices do. */
  static async ext4(folder: string, image: string, bytes: number): Promise<Mount> {
    await mkdir(folder, { recursive: true })
    await writeFile(image, '')
    await truncate(image, bytes)
    await run('mkfs.ext4', '-q', '-F', image)
    const mount = new Mount(folder, image)
    await mount.mountAgain()
    return mount
  }

  async resize(size: string): Promise<void> {
    await run('mount', '-o', `remount,size=${size}`, this.folder)
  }

  async remount(mode: 'ro' | 'rw'): Promise<void> {
    await run('mount', '-o', `remount,${mode}`, this.folder)
  }

  /** An error of the disk, as the kernel sees it. */
  async breakDisk(): Promise<void> {
    const device = basename(await run('findmnt', '-no', 'SOURCE', this.folder))
    await writeFile(`/sys/fs/ext4/${device}/trigger_fs_error`, '1')
  }

  /** Rejects while anything on it is open. */
  async unmount(): Promise<void> {
    await run('umount', this.folder)
  }

  /** Puts right what is wrong, as a person would. */
  async check(): Promise<void> {
    // 1: errors were corrected.
    await run('e2fsck', '-fy', this.#image ?? '').catch(() => undefined)
  }

  async mountAgain(): Promise<void> {
    await run('mount', '-o', 'loop,errors=remount-ro', this.#image ?? '', this.folder)
  }

  /** Whatever is still open. */
  async close(): Promise<void> {
    await run('umount', '-l', this.folder).catch(() => undefined)
  }
}

/** Why `breakDisk` does not work here; undefined when it does. */
export async function cannotBreak(): Promise<string | undefined> {
  try {
    for (const program of ['mkfs.ext4', 'e2fsck', 'findmnt']) await run('which', program)
    await access('/dev/loop-control')
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
