/** A board's source, checked against its capture profile. */
import type { CameraBoard, CaptureProfile } from '../platform/board.ts'
import { HomewardError } from '../wire/errors.ts'
import { parseSource, type SourceSpec } from './encoder/source-spec.ts'

/** Throws CONFIG_INVALID, or what `parseSource` throws. */
export function boardSource({ name, capture }: CameraBoard): SourceSpec {
  const source = parseSource(capture.source)
  if (!profilesOf(source).includes(capture.profile)) {
    throw new HomewardError(
      'CONFIG_INVALID',
      `board ${name}: the source "${capture.source}" does not go with the capture profile ${capture.profile}`,
      { hint: 'docs/boards.md has a table of profiles and their sources.' },
    )
  }
  return source
}

function profilesOf(source: SourceSpec): readonly CaptureProfile[] {
  switch (source.kind) {
    case 'v4l2':
      if (source.encoding === undefined) return ['v4l2-copy']
      return source.encoding.by === 'v4l2m2m' ? ['v4l2-m2m'] : source.encoding.by === 'rkmpp' ? ['rkmpp'] : ['test']
    case 'rtsp':
      return ['rtsp-copy']
    case 'file':
    case 'test':
      return ['test']
    case 'fake':
      return ['fake']
  }
}
