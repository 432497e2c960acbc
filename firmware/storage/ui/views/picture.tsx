/** The picture, and a plain word where there is none. */

import { isHomewardError } from '../../../wire/errors.ts'
import type { Camera } from '../../web/api.ts'
import { codecName } from '../media/codec.ts'
import { cameraPath } from '../net/api.ts'
import { errorText } from '../net/words.ts'
import type { Player, PlayerState } from '../player/player.ts'
import { durationText } from '../time/text.ts'
import { clockText } from '../time/zone.ts'
import type { Scrub } from './use-player.ts'

interface PictureProps {
  readonly video: { current: HTMLVideoElement | null }
  readonly scrub: Scrub
  readonly state: PlayerState
  readonly nowMs: number
  readonly zone: string
  readonly camera: Camera | undefined
  readonly player: () => Player | undefined
}

/** Of footage that the browser cannot play, and somebody wants to see. */
const OFFERED_MS = 10 * 60_000
/** A line can be read in that time. */
const SAID_MS = 6_000

export function Picture({ video, scrub, state, nowMs, zone, camera, player }: PictureProps) {
  const { live, positionMs, error, jumped, ended, waiting, playing, rate } = state
  const behindMs = Math.max(0, nowMs - positionMs)
  const jump = jumped === undefined || live ? undefined : jumped
  return (
    <div class="picture">
      <video ref={video} muted playsInline aria-label={`Footage of ${camera?.name ?? 'the camera'}`} />
      <canvas ref={scrub.canvas} hidden={!scrub.active} />
      {live && error === undefined && positionMs > 0 && (
        <span class="badge live numbers">Live · {(behindMs / 1000).toFixed(1)} s behind</span>
      )}
      {jump !== undefined && error === undefined && Math.abs(positionMs - jump.toMs) < SAID_MS * Math.max(1, rate) && (
        <span class="badge numbers">
          Nothing between {clockText(jump.fromMs, zone)} and {clockText(jump.toMs, zone)}:{' '}
          {durationText(jump.toMs - jump.fromMs)} skipped
        </span>
      )}
      {ended && !live && !waiting && <span class="badge right">End of the footage</span>}
      {waiting && playing && error === undefined && <span class="spinner" role="img" aria-label="Loading" />}
      {error !== undefined && <Trouble error={error} camera={camera} atMs={positionMs} live={live} player={player} />}
    </div>
  )
}

interface TroubleProps {
  readonly error: unknown
  readonly camera: Camera | undefined
  readonly atMs: number
  readonly live: boolean
  readonly player: () => Player | undefined
}

function Trouble({ error, camera, atMs, live, player }: TroubleProps) {
  const codec = camera?.tracks.find(({ kind }) => kind === 'video')?.codec ?? ''
  const isCodec = isHomewardError(error, 'FORMAT_CHANGES')
  const fromMs = Math.round(live || atMs === 0 ? (camera?.stored.lastMs ?? 0) - OFFERED_MS : atMs)
  return (
    <div class="message" role="alert">
      {isCodec ? (
        <>
          <p>
            This browser cannot play {codecName(codec)}. The footage itself is fine, nothing is converted here: Safari
            plays it, and so do Chrome and Edge on machines that decode it in hardware; any player does once it is
            downloaded.
          </p>
          {camera !== undefined && (
            <a
              class="button main"
              download
              href={`${cameraPath(camera.id)}/export.mp4?from=${fromMs}&to=${fromMs + OFFERED_MS}`}
            >
              Download these 10 minutes
            </a>
          )}
        </>
      ) : (
        <>
          <p>{errorText(error)}</p>
          <button type="button" onClick={() => (live ? player()?.goLive() : player()?.seek(atMs))}>
            Try again
          </button>
        </>
      )}
    </div>
  )
}
