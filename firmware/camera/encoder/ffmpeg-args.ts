/** ffmpeg's command line for each kind of source. Pure. */
import type { FfmpegCommandLine, FfmpegInput } from './ffmpeg-process.ts'
import type { SourceStreams } from './ffmpeg-streams.ts'
import type { FileSource, RtspSource, TestSource, V4l2Encoding, V4l2Source, VideoCodec } from './source-spec.ts'

/** A fragment leaves as soon as the next key frame is there; the moov waits for the first one to know the streams. */
const FRAGMENTED_MP4 = [
  ...['-f', 'mp4', '-movflags', 'frag_keyframe+empty_moov+default_base_moof+delay_moov'],
  ...['-flush_packets', '1'],
]

/** Lists what is in the input and ends. */
const LIST_STREAMS = ['-map', '0:v?', '-map', '0:a?', '-c', 'copy', '-t', '0', '-f', 'null']

const quiet = (options: readonly string[]): string[] => ['-loglevel', 'level+warning', ...options]

export function v4l2Command(source: V4l2Source): FfmpegCommandLine {
  const { codec, encoding } = source
  const format = codec === 'h265' ? 'hevc' : 'h264'
  // It would look at 20 frames before the first one leaves, to estimate a rate that the camera says by itself.
  const options = quiet([
    '-fpsprobesize',
    '0',
    '-f',
    'v4l2',
    ...(encoding === undefined ? ['-input_format', format] : []),
  ])
  if (source.rate !== undefined) options.push('-framerate', `${source.rate.frames}/${source.rate.perSeconds}`)
  if (source.size !== undefined) options.push('-video_size', `${source.size.width}x${source.size.height}`)
  return {
    inputs: [{ options, source: source.device }],
    outputOptions: [
      ...['-map', '0:v:0', ...(encoding === undefined ? ['-c:v', 'copy'] : encodeRaw(codec, encoding))],
      ...[...tag(codec), ...FRAGMENTED_MP4],
    ],
  }
}

function encodeRaw(codec: VideoCodec, { by, gop, kbitPerS }: V4l2Encoding): string[] {
  if (by === 'x264') return [...encode('h264', gop), '-b:v', `${kbitPerS}k`]
  // Both chips' encoders take NV12, and leave out B frames when told.
  const encoder = `${codec === 'h265' ? 'hevc' : 'h264'}_${by}`
  return ['-c:v', encoder, '-pix_fmt', 'nv12', '-g', `${gop}`, '-bf', '0', '-b:v', `${kbitPerS}k`]
}

/** The command that lists the streams of a source whose codecs are not known beforehand. */
export function probeCommand(source: RtspSource | FileSource, timeoutMs: number): FfmpegCommandLine {
  const { options, source: address } = inputOf(source, timeoutMs)
  return { inputs: [{ options: ['-loglevel', 'info', ...options], source: address }], outputOptions: LIST_STREAMS }
}

/**
 * Keeps the first video stream and the first AAC stream as they are. When a camera says nothing for `timeoutMs`, ffmpeg
 * finishes its file, so that even the last, short fragment is there.
 */
export function copyCommand(
  source: RtspSource | FileSource,
  streams: SourceStreams,
  timeoutMs: number,
): FfmpegCommandLine {
  const { options, source: address } = inputOf(source, timeoutMs)
  const pace = source.kind === 'file' ? ['-re', '-stream_loop', '-1'] : []
  const audio = streams.audio === undefined ? [] : ['-map', `0:${streams.audio.index}`]
  return {
    inputs: [{ options: quiet([...pace, ...options]), source: address }],
    outputOptions: [
      ...['-map', `0:${streams.video.index}`, ...audio, '-c', 'copy'],
      ...[...tag(streams.video.codec), ...FRAGMENTED_MP4],
    ],
  }
}

/** testsrc2 shows a running clock and the frame number by itself; drawtext would need a font on the camera. */
export function testCommand(source: TestSource): FfmpegCommandLine {
  const { size, rate, gop } = source
  const picture = `testsrc2=size=${size.width}x${size.height}:rate=${rate.frames}/${rate.perSeconds}`
  const inputs = [{ options: quiet(['-re', '-f', 'lavfi']), source: picture }]
  if (source.audio === 'aac') inputs.push({ options: ['-re', '-f', 'lavfi'], source: 'sine=frequency=440' })
  const audio = source.audio === 'aac' ? ['-map', '1:a', '-c:a', 'aac'] : []
  return { inputs, outputOptions: ['-map', '0:v', ...audio, ...encode(source.codec, gop), ...FRAGMENTED_MP4] }
}

function encode(codec: VideoCodec, gop: number): string[] {
  const common = ['-preset', 'ultrafast', '-tune', 'zerolatency', '-pix_fmt', 'yuv420p']
  if (codec === 'h264') {
    return ['-c:v', 'libx264', ...common, '-g', `${gop}`, '-keyint_min', `${gop}`, '-sc_threshold', '0']
  }
  const keys = `keyint=${gop}:min-keyint=${gop}:scenecut=0:open-gop=0`
  return ['-c:v', 'libx265', ...common, '-x265-params', `log-level=error:${keys}`, ...tag('h265')]
}

/** Apple's players take H.265 only with its parameter sets in the init segment, which is what hvc1 says. */
function tag(codec: VideoCodec): string[] {
  return codec === 'h265' ? ['-tag:v', 'hvc1'] : []
}

function inputOf(source: RtspSource | FileSource, timeoutMs: number): FfmpegInput {
  // "file:" keeps a colon in the name from being read as a protocol.
  if (source.kind === 'file') return { options: [], source: `file:${source.path}` }
  // Estimating the frame rate would hold back the first second, and nothing here needs it.
  // -timeout is in microseconds, and since ffmpeg 5 what its name says.
  const options = ['-rtsp_transport', 'tcp', '-timeout', `${timeoutMs * 1000}`, '-fpsprobesize', '0']
  return { options, source: source.url }
}
