/** How long a camera that is paired already takes from its start to its storage device, and which way it goes. */
import type { ChannelPath } from '../../firmware/link/channel.ts'
import { HomewardError } from '../../firmware/wire/errors.ts'
import type { LabHome } from './lab-home.ts'

export interface Connected {
  /** The path it had first. */
  readonly first: ChannelPath
  /** All paths it was seen on, in that order, until it was on the one waited for. */
  readonly paths: readonly ChannelPath[]
  /** From the start of its process: it answers its control socket, it is connected, a fragment has been ACKed. */
  readonly upMs: number
  readonly connectedMs: number
  readonly ackedMs: number
  /** Until it was on the path waited for; 0 when none was. */
  readonly onMs: number
}

/**
 * Restarts the camera and waits until a fragment of this start is ACKed, and until it is on the path `on` when given.
 * Throws TIMED_OUT with its status, and when what was ACKed is not on the storage device's disk.
 */
export async function reconnect(
  home: LabHome,
  camera: string,
  { on, withinMs = 30_000 }: { readonly on?: ChannelPath; readonly withinMs?: number } = {},
): Promise<Connected> {
  await home.program(camera).stop()
  const framesBefore = await home.framesOnDisk(camera)
  const { startedMs } = await home.startCamera(camera)
  const upMs = performance.now() - startedMs
  const paths: ChannelPath[] = []
  let connectedMs = 0
  let ackedMs = 0
  let onMs = 0
  await home.until(
    camera,
    on === undefined ? 'connected and ACKed' : `on path ${on} and ACKed`,
    ({ path, seq }) => {
      const sinceMs = performance.now() - startedMs
      if (path !== null && connectedMs === 0) connectedMs = sinceMs
      if (path !== null && path !== paths.at(-1)) paths.push(path)
      if ((seq?.acked ?? 0) > 0 && ackedMs === 0) ackedMs = sinceMs
      if (path === on && onMs === 0) onMs = sinceMs
      return ackedMs > 0 && connectedMs > 0 && (on === undefined || path === on)
    },
    withinMs,
  )
  const framesAfter = await home.framesOnDisk(camera)
  if (framesAfter <= framesBefore) {
    throw new HomewardError('INTERNAL', `${camera}: a fragment is ACKed, and none is on the disk`)
  }
  const [first] = paths
  if (first === undefined) throw new HomewardError('INTERNAL', `${camera}: connected without a path`)
  return { first, paths, upMs, connectedMs, ackedMs, onMs }
}

/** By nearest rank; `part` of 0.5 is the median. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN
}
