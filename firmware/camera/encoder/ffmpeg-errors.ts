/** What a person is told when ffmpeg did not do as asked: the code, the source, and ffmpeg's own last words. Pure. */
import { HomewardError } from '../../wire/errors.ts'
import { FFMPEG_HINT } from './ffmpeg-binary.ts'
import type { FfmpegExit } from './ffmpeg-process.ts'
import { describeSource, maskUrl, type SourceSpec } from './source-spec.ts'

const LINES_SHOWN = 3

/** `delivered`: footage had come out before. `stallMs`: how long nothing may come. */
export function exitError(source: SourceSpec, exit: FfmpegExit, delivered: boolean, stallMs: number): HomewardError {
  const what = describeSource(source)
  const said = lastWords(exit, source)
  if (exit.how === 'not-started') {
    return new HomewardError('FFMPEG_MISSING', `ffmpeg cannot be started: ${exit.message}`, { hint: FFMPEG_HINT })
  }
  if (exit.how === 'stalled') {
    const message = `${what} delivered nothing for ${stallMs / 1000} s${said}`
    return new HomewardError(delivered ? 'ENCODER_ENDED' : 'SOURCE_UNREADABLE', message, {
      hint: 'See that the source is switched on and sends a key frame at least every 10 s.',
    })
  }
  if (exit.how === 'killed') return new HomewardError('ENCODER_ENDED', `${what}: ${exit.message}${said}`)
  const text = exit.lines.join('\n')
  if (!delivered && /No such (file or directory|device)/i.test(text)) {
    return new HomewardError('SOURCE_MISSING', `${what} is not there${said}`)
  }
  if (!delivered)
    return new HomewardError('SOURCE_UNREADABLE', `${what} cannot be read${said}`, { hint: hintFor(text) })
  const how = exit.how === 'finished' ? 'the source ended' : exit.message.replace(/:.*/, '')
  return new HomewardError('ENCODER_ENDED', `${what}: ${how}${said}`)
}

function hintFor(text: string): string {
  const encoder = /Unknown encoder '(\w+)'/.exec(text)?.[1]
  if (encoder !== undefined)
    return `This ffmpeg was built without ${encoder}; Debian's has it: sudo apt-get install -y ffmpeg`
  if (/401|Unauthorized/.test(text)) return 'Put user and password into the address: rtsp://USER:PASSWORD@HOST/PATH'
  if (/Permission denied/.test(text))
    return 'Add the user that runs this to the group video: sudo usermod -aG video USER'
  if (/Device or resource busy/.test(text)) return 'Another program uses the device: sudo fuser -v DEVICE shows it.'
  if (/Inappropriate ioctl|Invalid argument/.test(text)) {
    return 'See what the device can deliver: v4l2-ctl --list-formats-ext -d DEVICE'
  }
  return 'Try the source with ffplay or ffprobe.'
}

/**
 * The end of standard error, on one line, without secrets and without the addresses of ffmpeg's objects. Warnings are told
 * only where nothing else explains a failure: most runs have some.
 */
function lastWords({ how, lines }: FfmpegExit, source: SourceSpec): string {
  const spoken = lines.filter((line) => !/Last message repeated|^Exiting normally/.test(line))
  const errors = spoken.filter((line) => !line.includes('[warning]'))
  const kept = errors.length === 0 && how === 'failed' ? spoken : errors
  if (kept.length === 0) return ''
  const words = kept
    .slice(-LINES_SHOWN)
    .map((line) => line.replaceAll(/ @ 0x[0-9a-f]+|\[(?:error|fatal|warning)\] ?/g, ''))
  return `: ${words.map((line) => maskSecrets(line.trim(), source)).join(' | ')}`
}

/** A line of ffmpeg without user, password and query of any address in it. */
export function maskSecrets(line: string, source: SourceSpec): string {
  let masked = line
  if (source.kind === 'rtsp') {
    masked = masked.replaceAll(source.url, maskUrl(source.url))
    const { password } = new URL(source.url)
    for (const secret of [password, decode(password)]) {
      if (secret !== '') masked = masked.replaceAll(secret, '***')
    }
  }
  return masked.replaceAll(/\b[a-z][a-z0-9+.-]*:\/\/\S+/gi, maskUrl)
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
