/** HLS playlists as this device writes them (RFC 8216): pieces of stored files with their times. Pure. */

export interface Segment {
  /** Names the bytes: file and offset. */
  readonly key: string
  readonly url: string
  readonly offset: number
  readonly bytes: number
  readonly initUrl: string
  readonly initBytes: number
  readonly startMs: number
  readonly durationMs: number
}

export interface Playlist {
  readonly segments: readonly Segment[]
  /** Number of the first one behind the last. */
  readonly nextNumber: number
}

/** `base`: address of the playlist. What it does not know it skips. */
export function parsePlaylist(text: string, base: string): Playlist {
  const segments: Segment[] = []
  let number = 0
  let [initUrl, initBytes] = ['', 0]
  let [atMs, durationMs, bytes, offset] = [0, 0, 0, 0]
  for (const line of text.split('\n')) {
    const [tag = '', value = ''] = line.startsWith('#') ? split(line) : []
    if (tag === '#EXT-X-MEDIA-SEQUENCE') number = Number(value)
    else if (tag === '#EXT-X-PROGRAM-DATE-TIME') atMs = Date.parse(value)
    else if (tag === '#EXTINF') durationMs = Number.parseFloat(value) * 1000
    else if (tag === '#EXT-X-MAP') {
      initUrl = new URL(/URI="([^"]*)"/.exec(value)?.[1] ?? '', base).href
      initBytes = Number(/BYTERANGE="(\d+)@0"/.exec(value)?.[1] ?? 0)
    } else if (tag === '#EXT-X-BYTERANGE') {
      const [count, from] = value.split('@').map(Number)
      bytes = count ?? 0
      offset = from ?? 0
    } else if (line !== '' && !line.startsWith('#')) {
      const url = new URL(line, base).href
      segments.push({ key: `${url}@${offset}`, url, offset, bytes, initUrl, initBytes, startMs: atMs, durationMs })
      atMs += durationMs
    }
  }
  return { segments, nextNumber: number + segments.length }
}

function split(line: string): [string, string] {
  const colon = line.indexOf(':')
  return colon < 0 ? [line, ''] : [line.slice(0, colon), line.slice(colon + 1)]
}

/** Known ones and new ones, each once, by time. */
export function mergeSegments(known: readonly Segment[], fresh: readonly Segment[]): Segment[] {
  const all = new Map(known.map((segment) => [segment.key, segment]))
  for (const segment of fresh) all.set(segment.key, segment)
  return [...all.values()].sort((a, b) => a.startMs - b.startMs)
}
