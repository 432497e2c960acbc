/** `make BOARD=… flash DEVICE=/dev/sdX`: the image that was built last, onto a card; FIXED=yes for a disk inside this machine. */
import { existsSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { HomewardError } from '../../firmware/wire/errors.ts'
import { imageBoard } from '../image/boards.ts'
import { reportFailure } from '../image/failure.ts'
import { imageFolder } from '../image/places.ts'
import { blockDevices, objection } from './disks.ts'
import { writeImage } from './write.ts'

try {
  const { id } = imageBoard(process.argv[2])
  const device = process.argv[3] ?? ''
  const image = join(imageFolder(id), 'homeward.img')
  if (!existsSync(image)) {
    throw new HomewardError('CONFIG_INVALID', `there is no image of ${id}`, { hint: `make BOARD=${id} image` })
  }
  if (device === '') throw new HomewardError('USAGE', 'no disk is named, expected DEVICE=/dev/sdX; lsblk shows them')
  const disk = existsSync(device) ? realpathSync(device) : device
  const why = objection(blockDevices(), disk, statSync(image).size, process.env.FIXED === 'yes')
  if (why !== undefined) throw new HomewardError('USAGE', why)
  let shown = -1
  await writeImage(image, disk, (done, of) => {
    const percent = Math.floor((done / of) * 100)
    if (percent === shown) return
    shown = percent
    process.stderr.write(`\r${percent < 50 ? 'writing' : 'reading back'} ${percent} %  `)
  })
  process.stderr.write('\n')
  process.stdout.write(
    `${disk} holds the image of ${id}: it may be taken out. board/${id}/readme.md says what is next.\n`,
  )
} catch (error) {
  reportFailure(error)
}
