/** Pseudo terminals: to a program each one is a serial line, and the test holds its other end. */
import { closeSync } from 'node:fs'
import { ReadStream } from 'node:tty'
import koffi, { type LibraryHandle } from 'koffi'

const O_RDWR_NOCTTY = 0o402
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
  const fd = libc.func('int posix_openpt(int flags)')(O_RDWR_NOCTTY) as number
  libc.func('int grantpt(int fd)')(fd)
  libc.func('int unlockpt(int fd)')(fd)
  const path = libc.func('str ptsname(int fd)')(fd) as string
  // Kept open: without anybody at the other end reading would fail, before the program comes and after it went.
  const other = openRaw(libc, path)
  const stream = new ReadStream(fd)
  stream.on('error', () => {})
  return {
    path,
    onData: (listener) => stream.on('data', listener),
    write: (bytes) => stream.write(bytes),
    close: () => {
      closeSync(other)
      stream.destroy()
    },
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
