/** What the demo films when it is not told: this machine's camera if its footage can be kept as it comes. */
import { execFile } from 'node:child_process'
import { access } from 'node:fs/promises'
import { findFfmpeg } from '../camera/encoder/ffmpeg-binary.ts'

const DEVICE = '/dev/video0'
/** A camera that hangs must not keep the demo. */
const ASK_WITHIN_MS = 5_000

export interface DemoSource {
  readonly spec: string
  /** Why not this machine's camera, though there is one. */
  readonly note?: string
}

/** Throws FFMPEG_MISSING. */
export async function defaultSource(device = DEVICE): Promise<DemoSource> {
  const ffmpeg = await findFfmpeg()
  try {
    await access(device)
  } catch {
    return { spec: 'test' }
  }
  const codec = codecOf(await formatsOf(ffmpeg, device))
  if (codec === 'h264') return { spec: `v4l2:${device}` }
  if (codec === 'h265') return { spec: `v4l2:${device},codec=h265` }
  return {
    spec: 'test',
    note: `${device} delivers neither H.264 nor H.265, which is what a network camera's chip does`,
  }
}

/** From ffmpeg's list of a device's formats: `Compressed:  h264 :  H.264 : 640x480 …`. */
export function codecOf(formats: string): 'h264' | 'h265' | undefined {
  if (/Compressed:\s+h264\b/.test(formats)) return 'h264'
  return /Compressed:\s+hevc\b/.test(formats) ? 'h265' : undefined
}

/** ffmpeg calls it a failure when it has only listed; what it said counts. */
function formatsOf(ffmpeg: string, device: string): Promise<string> {
  const args = ['-hide_banner', '-f', 'v4l2', '-list_formats', 'all', '-i', device]
  return new Promise((resolve) => {
    execFile(ffmpeg, args, { timeout: ASK_WITHIN_MS }, (_error, _stdout, stderr) => resolve(stderr))
  })
}
