/** What ffmpeg says is in an input, read from the lines that it prints when it opens one. Pure. */
import { HomewardError } from '../../wire/errors.ts'
import type { VideoCodec } from './source-spec.ts'

export interface SourceStreams {
  readonly video: { readonly index: number; readonly codec: VideoCodec }
  /** The first AAC stream; other audio is dropped, for it belongs in no MP4 that every player opens. */
  readonly audio?: { readonly index: number }
}

/** `Stream #0:1[0x2](und): Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, …`; id and language are not always there. */
const STREAM = /^\s*Stream #0:(\d+)(?:\[\w+\])?(?:\([^)]*\))?: (Video|Audio): (\w+)(.*)$/

const CODECS: Readonly<Record<string, VideoCodec>> = { h264: 'h264', hevc: 'h265' }

/** `what` names the source in messages. Throws SOURCE_UNREADABLE when there is no video that can be kept as it is. */
export function readStreams(lines: readonly string[], what: string, hint: string): SourceStreams {
  const outputs = lines.findIndex((line) => line.startsWith('Output #0'))
  const streams = lines.slice(0, outputs === -1 ? lines.length : outputs).flatMap((line) => {
    const [, index = '', kind = '', codec = '', rest = ''] = STREAM.exec(line) ?? []
    return index === '' || rest.includes('(attached pic)') ? [] : [{ index: Number(index), kind, codec }]
  })
  const video = streams.find((stream) => stream.kind === 'Video')
  if (video === undefined) throw new HomewardError('SOURCE_UNREADABLE', `${what} holds no video`, { hint })
  const codec = CODECS[video.codec]
  if (codec === undefined) {
    const message = `the video of ${what} is ${video.codec}, expected H.264 or H.265`
    throw new HomewardError('SOURCE_UNREADABLE', message, { hint })
  }
  const audio = streams.find((stream) => stream.kind === 'Audio' && stream.codec === 'aac')
  return { video: { index: video.index, codec }, ...(audio === undefined ? {} : { audio: { index: audio.index } }) }
}
