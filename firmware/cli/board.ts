/** The board that `--board` names: VENDOR/BOARD of those that came with the program, or the path of a board.toml. */
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { boardSource } from '../camera/board-source.ts'
import { type CameraBoard, readBoard } from '../platform/board.ts'
import { HomewardError } from '../wire/errors.ts'

const BOARDS = fileURLToPath(new URL('../../board/', import.meta.url))

/** Throws CONFIG_INVALID, also for a storage board and a source that is not of the board's capture profile. */
export async function readCameraBoard(name: string): Promise<CameraBoard> {
  const path = name.endsWith('.toml') ? resolve(name) : resolve(BOARDS, name, 'board.toml')
  const board = await readBoard(path)
  if (board.role !== 'camera') {
    throw new HomewardError('CONFIG_INVALID', `${path}: ${board.name} is a storage board, expected a camera`)
  }
  boardSource(board)
  return board
}
