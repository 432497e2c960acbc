/** What is on a SATA disk after its machine was cut off, looked at from outside: ordinary tools, none of our own code. */
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { runForBytes, runTool } from '../image/tool.ts'

export interface Film {
  readonly files: readonly FilmFile[]
  readonly fragments: readonly Fragment[]
}

export interface FilmFile {
  readonly path: string
  readonly size: string
  /** Frames from each key frame up to the next. */
  readonly frames: readonly number[]
  readonly fragments: readonly Fragment[]
  /** Of a picture in the middle, eight columns from left to right, below the lines of text that vivid lays over it. */
  readonly columns: readonly Rgb[]
}

/** As the box in front of each says (its layout: `firmware/storage/archive/entry.ts`). */
export interface Fragment {
  readonly log: string
  readonly seq: number
  readonly boot: string
  readonly run: number
  readonly durationMs: number
}

export type Rgb = readonly [number, number, number]

const COLUMNS = 8
const ENTRY_TYPE = Buffer.from('ddf98848ac4d42ad811f71949923aa81', 'hex')

/** Plays every file of the ext4 file system in the file `disk` from beginning to end. Throws with what a tool complains of. */
export function playDisk(disk: string, folder: string): Film {
  const tree = join(folder, 'tree')
  rmSync(tree, { recursive: true, force: true })
  mkdirSync(tree)
  // Status 1: the journal was played back, as after any power cut.
  runTool('sh', ['-c', 'e2fsck -fp "$1" || [ $? -eq 1 ]', 'sh', disk])
  runTool('debugfs', ['-R', `rdump / ${tree}`, disk])
  const paths = readdirSync(tree, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.mp4'))
  const files = paths.sort().map((path) => playFile(join(tree, path), path))
  return { files, fragments: files.flatMap(({ fragments }) => fragments) }
}

function playFile(file: string, path: string): FilmFile {
  const play = 'ffmpeg -v error -xerror -i "$1" -f null - 2>&1'
  const complaints = runTool('sh', ['-c', play, 'sh', file]).trim()
  if (complaints !== '') throw new Error(`${path}: ${complaints}`)
  const wanted = ['-select_streams', 'v', '-show_entries', 'stream=width,height:frame=key_frame']
  const shown = runTool('ffprobe', ['-v', 'error', ...wanted, '-of', 'csv', file])
    .trim()
    .split('\n')
  const [, width = 0, height = 0] = (shown.find((line) => line.startsWith('stream')) ?? '').split(',').map(Number)
  const frames: number[] = []
  for (const line of shown.filter((one) => one.startsWith('frame'))) {
    if (line.split(',')[1] === '1') frames.push(1)
    else frames.push((frames.pop() ?? 0) + 1)
  }
  const middle = Math.floor(frames.reduce((sum, count) => sum + count, 0) / 2)
  const one = ['-vf', `select=eq(n\\,${middle})`, '-frames:v', '1', '-f', 'rawvideo', '-pix_fmt', 'rgb24']
  const pixels = runForBytes('ffmpeg', ['-v', 'error', '-i', file, ...one, '-'])
  const row = Math.floor(height * 0.92)
  const columns = Array.from({ length: COLUMNS }, (_, column): Rgb => {
    const at = 3 * (row * width + Math.floor(((column + 0.5) * width) / COLUMNS))
    return [pixels[at] ?? 0, pixels[at + 1] ?? 0, pixels[at + 2] ?? 0]
  })
  return { path, size: `${width}x${height}`, frames, fragments: fragmentsOf(readFileSync(file)), columns }
}

/** Walks the boxes of the file; ours come one before each moof. */
function fragmentsOf(bytes: Buffer): Fragment[] {
  const found: Fragment[] = []
  for (let at = 0; at + 8 <= bytes.length; ) {
    const size = bytes.readUInt32BE(at)
    if (size < 8) throw new Error(`a box of ${size} bytes at ${at}`)
    const type = bytes.toString('latin1', at + 4, at + 8)
    if (type === 'uuid' && bytes.subarray(at + 8, at + 24).equals(ENTRY_TYPE))
      found.push(readEntry(bytes.subarray(at + 24)))
    at += size
  }
  return found
}

function readEntry(body: Buffer): Fragment {
  return {
    log: body.toString('hex', 36, 44),
    seq: Number(body.readBigUInt64LE(44)),
    run: body.readUInt32LE(52),
    boot: body.toString('hex', 60, 68),
    durationMs: Number(body.readBigUInt64LE(84)) / 1000,
  }
}
