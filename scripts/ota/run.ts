/** `make BOARD=… IP=… ota`: signs the image that was built last, sends it, and waits until the device has kept it or gone back. */
import { HomewardError } from '../../firmware/wire/errors.ts'
import { imageBoard } from '../image/boards.ts'
import { reportFailure } from '../image/failure.ts'
import { bundleOf } from './bundle.ts'
import { updateKey } from './key.ts'
import { updateDevice } from './update.ts'

try {
  const { id } = imageBoard(process.argv[2])
  const host = process.argv[3] ?? ''
  if (host === '')
    throw new HomewardError('USAGE', 'no device is named, expected IP=ADDRESS', {
      hint: '`network` on its serial console shows the address.',
    })
  const { bytes, version } = bundleOf(id, updateKey())
  process.stdout.write(`Homeward ${version} for ${id}, ${(bytes.length / 2 ** 20).toFixed(1)} MiB\n`)
  await updateDevice(host, { board: id, version, bytes }, (line) => process.stdout.write(`${line}\n`))
  process.stdout.write(`${host} runs ${version} and has kept it\n`)
} catch (error) {
  reportFailure(error)
}
