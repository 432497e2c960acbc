/** ioctl(2), which Node does not have. Loaded only where a board asks for it. */
import { HomewardError } from '../wire/errors.ts'

export type Ioctl = (fd: number, request: number, argument: Uint8Array) => void

/** The returned function throws CONFIG_INVALID with the system's error number; it never waits for long with what is used here. */
export async function loadIoctl(): Promise<Ioctl> {
  const { default: koffi } = await import('koffi')
  const call = koffi.load('libc.so.6').func('int ioctl(int fd, unsigned long request, ...)')
  return (fd, request, argument) => {
    if (call(fd, request, 'void *', argument) >= 0) return
    const errno = koffi.errno()
    const name = Object.entries(koffi.os.errno).find(([, number]) => number === errno)?.[0] ?? `error ${errno}`
    throw new HomewardError('CONFIG_INVALID', `ioctl 0x${request.toString(16)} failed: ${name}`)
  }
}
