/** Pseudo terminals: to a program each one is a serial line, and the test holds its other end. */
import { closeSync, readSync, writeSync } from 'node:fs'
import koffi, { type LibraryHandle } from 'koffi'
import { systemCode } from '../wire/errors.ts'

const O_RDWR_NOCTTY = 0o402
const O_NONBLOCK = 0o4000
const TURN_EVERY_MS = 2
const READ_BYTES = 4096
const TCSANOW = 0
/** More than a struct termios of any Linux has. */
const TERMIOS_BYTES = 128

export interface Pty {
  /** What a program opens. */
  readonly path: string
  onData(listener: (bytes: Buffer) => void): void
  write(bytes: string | Uint8Array): void
  close(): void
}

/** Raw: no echo, nothing translated. */
export function openPty(): Pty {
  const libc = koffi.load('libc.so.6')
  const fd = libc.func('int posix_openpt(int flags)')(O_RDWR_NOCTTY | O_NONBLOCK) as number
  libc.func('int grantpt(int fd)')(fd)
  libc.func('int unlockpt(int fd)')(fd)
  const path = libc.func('str ptsname(int fd)')(fd) as string
  // Kept open: without anybody at the other end reading would fail, before the program comes and after it went.
  const other = openRaw(libc, path)
  return new PolledPty(path, fd, other)
}

/** Node's own streams write to terminals without turning to anything else: two programs that both wait would wait for ever. */
class PolledPty implements Pty {
  readonly path: string
  readonly #fd: number
  readonly #other: number
  readonly #listeners = new Set<(bytes: Buffer) => void>()
  readonly #timer: NodeJS.Timeout
  #unsent: Buffer = Buffer.alloc(0)

  constructor(path: string, fd: number, other: number) {
    this.path = path
    this.#fd = fd
    this.#other = other
    this.#timer = setInterval(() => this.#turn(), TURN_EVERY_MS)
  }

  onData(listener: (bytes: Buffer) => void): void {
    this.#listeners.add(listener)
  }

  write(bytes: string | Uint8Array): void {
    this.#unsent = Buffer.concat([this.#unsent, Buffer.from(bytes)])
  }

  close(): void {
    clearInterval(this.#timer)
    closeSync(this.#other)
    closeSync(this.#fd)
  }

  #turn(): void {
    const room = Buffer.alloc(READ_BYTES)
    for (
      let count = unlessBusy(() => readSync(this.#fd, room));
      count > 0;
      count = unlessBusy(() => readSync(this.#fd, room))
    ) {
      for (const listener of this.#listeners) listener(Buffer.from(room.subarray(0, count)))
    }
    while (this.#unsent.length > 0) {
      const count = unlessBusy(() => writeSync(this.#fd, this.#unsent))
      if (count === 0) return
      this.#unsent = this.#unsent.subarray(count)
    }
  }
}

function unlessBusy(call: () => number): number {
  try {
    return call()
  } catch (error) {
    if (systemCode(error) === 'EAGAIN') return 0
    throw error
  }
}

function openRaw(libc: LibraryHandle, path: string): number {
  const slave = libc.func('int open(str path, int flags)')(path, O_RDWR_NOCTTY) as number
  const termios = Buffer.alloc(TERMIOS_BYTES)
  libc.func('int tcgetattr(int fd, void *at)')(slave, termios)
  libc.func('void cfmakeraw(void *at)')(termios)
  libc.func('int tcsetattr(int fd, int when, void *at)')(slave, TCSANOW, termios)
  return slave
}

/** Two of them as one cable: what is written at one path is read at the other. */
export function openCable(): { readonly ends: readonly [string, string]; close(): void } {
  const [one, other] = [openPty(), openPty()]
  one.onData((bytes) => other.write(bytes))
  other.onData((bytes) => one.write(bytes))
  return {
    ends: [one.path, other.path],
    close: () => {
      one.close()
      other.close()
    },
  }
}
