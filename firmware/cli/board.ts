/** The board that `--board` names: VENDOR/BOARD of those that came with the program, or the path of a board.toml. */
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { boardSource } from '../camera/board-source.ts'
import { type Board, type CameraBoard, readBoard } from '../platform/board.ts'
import { HomewardError } from '../wire/errors.ts'

const BOARDS = fileURLToPath(new URL('../../board/', import.meta.url))

/** Throws CONFIG_INVALID, also for a storage board and a source that is not of the board's capture profile. */
export async function readCameraBoard(name: string): Promise<CameraBoard> {
  const { board, path } = await read(name)
  if (board.role !== 'camera') {
    throw new HomewardError('CONFIG_INVALID', `${path}: ${board.name} is a storage board, expected a camera`)
  }
  boardSource(board)
  return board
}

/** Throws CONFIG_INVALID, also for a camera. */
export async function readStorageBoard(name: string): Promise<Board> {
  const { board, path } = await read(name)
  if (board.role === 'storage') return board
  throw new HomewardError('CONFIG_INVALID', `${path}: ${board.name} is a camera, expected a storage board`)
}

async function read(name: string): Promise<{ board: Board; path: string }> {
  const path = name.endsWith('.toml') ? resolve(name) : resolve(BOARDS, name, 'board.toml')
  return { board: await readBoard(path), path }
}
