/** `make BOARD=… size-report`: what is in the image that was built last, against its caps. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { HomewardError } from '../../firmware/wire/errors.ts'
import { imageBoard } from './boards.ts'
import { reportFailure } from './failure.ts'
import { imageFolder } from './places.ts'

try {
  const { id } = imageBoard(process.argv[2])
  const sizes = join(imageFolder(id), 'sizes.txt')
  if (!existsSync(sizes)) {
    throw new HomewardError('CONFIG_INVALID', `there is no image of ${id}`, { hint: `make BOARD=${id} image` })
  }
  process.stdout.write(readFileSync(sizes, 'utf8'))
} catch (error) {
  reportFailure(error)
}
