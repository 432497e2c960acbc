/** `make BOARD=qemu/… qemu`: a virtual device for a person, its serial console on the terminal. Its disks stay in out/qemu/. */
import { join } from 'node:path'
import { HomewardError } from '../../firmware/wire/errors.ts'
import { imageBoard } from '../image/boards.ts'
import { reportFailure } from '../image/failure.ts'
import { folderName, OUT } from '../image/places.ts'
import { Machine } from './machine.ts'

const FOOTAGE_DISK = '4G'

try {
  const { id, image } = imageBoard(process.argv[2])
  if (image['boot-chain'] !== 'qemu-arm64') {
    throw new HomewardError('USAGE', `${id} is a real board, expected qemu/camera or qemu/storage`)
  }
  const folder = join(OUT, 'qemu', folderName(id))
  const machine = new Machine(id, { folder, footageDisk: FOOTAGE_DISK, terminal: true })
  // The terminal belongs to the machine: Ctrl-C goes there.
  process.on('SIGINT', () => undefined)
  const port = await Promise.race([machine.provisioningPort().catch(later(machine)), machine.exited])
  if (typeof port === 'string') {
    process.stderr.write(`\r\nhomeward: disks in ${folder}; second serial port: ${port}; to leave: Ctrl-A X\r\n`)
  }
  await machine.exited
} catch (error) {
  reportFailure(error)
}

/** The monitor is there a moment after the start. */
function later(machine: Machine): () => Promise<string> {
  return async () => {
    await new Promise((resolve) => setTimeout(resolve, 1000))
    return machine.provisioningPort()
  }
}
