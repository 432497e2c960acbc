/** `make list`: every board, what it offers, and how far that was tried. */
import type { Board } from '../../firmware/platform/board.ts'
import { boardIds, namedBoard } from './boards.ts'
import { reportFailure } from './failure.ts'

const TESTED: Readonly<Record<Board['tested'], string>> = {
  booted: 'booted here, under emulation',
  built: 'built only, never started',
  data: 'data only',
}

try {
  const rows = boardIds().map((id) => {
    const { board } = namedBoard(id)
    const what = board.role === 'camera' ? board.capture.profile : `disk ${board.disk.devices.join(' ')}`
    return [id, board.role, board.offer, TESTED[board.tested], what, board.name]
  })
  const table = [['BOARD', 'ROLE', 'OFFERS', 'TESTED', 'CAPTURE OR DISK', 'NAME'], ...rows]
  const widths = (table[0] ?? []).map((_cell, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')
  process.stdout.write(`${table.map((row) => line(row).trimEnd()).join('\n')}\n`)
} catch (error) {
  reportFailure(error)
}
