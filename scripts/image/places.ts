/** Where a build reads and writes. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const SOURCE = fileURLToPath(new URL('../../', import.meta.url))
export const OUT = join(SOURCE, 'out')
/** What was fetched or cross-built once; survives from one image to the next. */
export const CACHE = join(OUT, 'cache')

/** Parts of a path and a file name: `qemu/camera` → `qemu-camera`. */
export const folderName = (board: string) => board.replace('/', '-')
/** What a person takes: the image and what belongs to it. */
export const imageFolder = (board: string) => join(OUT, 'images', folderName(board))
/** Left behind for whoever wants to look into it. */
export const workFolder = (board: string) => join(OUT, 'work', folderName(board))
