/** Writes an image to a disk, and reads it back. */
import { constants, type FileHandle, open } from 'node:fs/promises'
import { HomewardError, systemCode } from '../../firmware/wire/errors.ts'

const CHUNK_BYTES = 4 * 2 ** 20

/**
 * `progress` gets how many bytes of both passes are done, and of how many. Throws DISK_FAILED when the disk takes or gives back
 * something else than the image, CONFIG_INVALID when somebody uses it.
 */
export async function writeImage(
  image: string,
  disk: string,
  progress: (done: number, of: number) => void,
): Promise<void> {
  const from = await open(image, 'r')
  try {
    const { size } = await from.stat()
    // O_EXCL without O_CREAT: on a disk it means that nothing of it may be mounted, and stays so meanwhile.
    const to = await open(disk, constants.O_RDWR | constants.O_EXCL).catch((cause: unknown) => {
      const why = systemCode(cause) === 'EBUSY' ? 'is in use' : `cannot be opened (${systemCode(cause) ?? cause})`
      const denied = ['EACCES', 'EPERM'].includes(systemCode(cause) ?? '')
      const hint = denied
        ? 'Writing to a disk needs root: the same with sudo.'
        : 'Unmount what is on it, and close what uses it.'
      throw new HomewardError('CONFIG_INVALID', `${disk} ${why}`, { hint, cause })
    })
    try {
      await eachChunk(from, size, async (bytes, at) => {
        await writeAll(to, bytes, at, disk)
        progress(at + bytes.length, 2 * size)
      })
      await to.datasync()
      const back = Buffer.alloc(CHUNK_BYTES)
      await eachChunk(from, size, async (bytes, at) => {
        const { bytesRead } = await to.read(back, 0, bytes.length, at)
        if (bytesRead !== bytes.length || !back.subarray(0, bytesRead).equals(bytes)) {
          throw new HomewardError('DISK_FAILED', `${disk} gives back something else at byte ${at}: the card is bad`)
        }
        progress(size + at + bytes.length, 2 * size)
      })
    } finally {
      await to.close()
    }
  } finally {
    await from.close()
  }
}

async function writeAll(to: FileHandle, bytes: Uint8Array, at: number, disk: string): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await to.write(bytes, done, bytes.length - done, at + done).catch((cause: unknown) => {
      throw new HomewardError(
        'DISK_FAILED',
        `${disk} cannot be written at byte ${at} (${systemCode(cause) ?? cause})`,
        {
          cause,
        },
      )
    })
    done += bytesWritten
  }
}

async function eachChunk(
  file: FileHandle,
  size: number,
  take: (bytes: Buffer, at: number) => Promise<void>,
): Promise<void> {
  const chunk = Buffer.alloc(CHUNK_BYTES)
  for (let at = 0; at < size; ) {
    const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, at)
    if (bytesRead === 0) throw new HomewardError('INTERNAL', 'the image became shorter while it was read')
    await take(chunk.subarray(0, bytesRead), at)
    at += bytesRead
  }
}
