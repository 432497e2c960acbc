/** What is on a SATA disk after its machine was cut off, looked at from outside: ordinary tools, none of our own code. */
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { runForBytes, runTool } from '../image/tool.ts'

export interface Film {
  readonly files: number
  readonly frames: number
  /** Of a picture in the middle of each file, eight columns from left to right, a little below the middle. */
  readonly columns: readonly (readonly Rgb[])[]
  readonly size: string
}

export type Rgb = readonly [number, number, number]

const COLUMNS = 8

/** Plays every file of the ext4 file system in the file `disk` from beginning to end. Throws with what a tool complains of. */
export function playDisk(disk: string, folder: string): Film {
  const tree = join(folder, 'tree')
  rmSync(tree, { recursive: true, force: true })
  mkdirSync(tree)
  // Status 1: the journal was played back, as after any power cut.
  runTool('sh', ['-c', 'e2fsck -fp "$1" || [ $? -eq 1 ]', 'sh', disk])
  runTool('debugfs', ['-R', `rdump / ${tree}`, disk])
  const files = readdirSync(tree, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.mp4'))
  const films = files.map((file) => playFile(join(tree, file)))
  return {
    files: files.length,
    frames: films.reduce((sum, { frames }) => sum + frames, 0),
    columns: films.map(({ columns }) => columns),
    size: [...new Set(films.map(({ size }) => size))].join(' '),
  }
}

function playFile(file: string): { frames: number; columns: Rgb[]; size: string } {
  const wanted = ['-count_frames', '-select_streams', 'v', '-show_entries', 'stream=nb_read_frames,width,height']
  const [width = 0, height = 0, frames = 0] = runTool('ffprobe', ['-v', 'error', ...wanted, '-of', 'csv=p=0', file])
    .trim()
    .split(',')
    .map(Number)
  const complaints = runTool('ffmpeg', ['-v', 'error', '-xerror', '-i', file, '-f', 'null', '-'])
  if (complaints !== '') throw new Error(`${file}: ${complaints}`)
  const one = [
    '-vf',
    `select=eq(n\\,${Math.floor(frames / 2)})`,
    '-frames:v',
    '1',
    '-f',
    'rawvideo',
    '-pix_fmt',
    'rgb24',
  ]
  const pixels = runForBytes('ffmpeg', ['-v', 'error', '-i', file, ...one, '-'])
  const row = Math.floor(height * 0.7)
  const columns = Array.from({ length: COLUMNS }, (_, column): Rgb => {
    const at = 3 * (row * width + Math.floor(((column + 0.5) * width) / COLUMNS))
    return [pixels[at] ?? 0, pixels[at + 1] ?? 0, pixels[at + 2] ?? 0]
  })
  return { frames, columns, size: `${width}x${height}` }
}
