/** The boards of the source tree. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Board, type BoardImage, parseBoard } from '../../firmware/platform/board.ts'
import { HomewardError } from '../../firmware/wire/errors.ts'
import { SOURCE } from './places.ts'

const BOARDS = join(SOURCE, 'board')

export interface NamedBoard {
  /** vendor/board */
  readonly id: string
  readonly path: string
  readonly board: Board
}

export interface ImageBoard extends NamedBoard {
  readonly image: BoardImage
}

export function boardIds(): string[] {
  return readdirSync(BOARDS, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => readdirSync(join(BOARDS, name)).map((board) => `${name}/${board}`))
    .filter((id) => existsSync(join(BOARDS, id, 'board.toml')))
    .sort()
}

/** Throws USAGE for one that is not there, CONFIG_INVALID. */
export function namedBoard(id: string | undefined): NamedBoard {
  if (id === undefined || !boardIds().includes(id)) {
    const what = id === undefined || id === '' ? 'no board is named' : `there is no board "${id}"`
    throw new HomewardError('USAGE', `${what}, expected BOARD=VENDOR/BOARD`, {
      hint: `Boards: ${boardIds().join(', ')}. \`make list\` says more.`,
    })
  }
  const path = join(BOARDS, id, 'board.toml')
  return { id, path, board: parseBoard(readFileSync(path, 'utf8'), `board/${id}/board.toml`) }
}

/** Throws USAGE for a board that has no image. */
export function imageBoard(id: string | undefined): ImageBoard {
  const named = namedBoard(id)
  const { image } = named.board
  if (image !== undefined) return { ...named, image }
  throw new HomewardError('USAGE', `${named.id} has no image: Debian does not ship its boot chain`, {
    hint: `Lay Homeward into a root filesystem that the board already has: make BOARD=${named.id} rootfs ROOTFS=DIR`,
  })
}
