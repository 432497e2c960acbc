/** Setting a camera up while its agent is not running. */
import { join } from 'node:path'
import { loadIdentity } from '../link/identity.ts'
import { PairingFile } from '../link/pairing.ts'
import { LogSealer } from '../link/seal.ts'
import { parseSetupCode, type SetupCode } from '../link/setup-code.ts'
import { formatUid } from '../link/uid.ts'
import { kernelBootId, RealClock } from '../platform/clock-real.ts'
import { RealDisk } from '../platform/disk-real.ts'
import { equalBytes } from '../wire/bytes.ts'
import { giveUpOthers } from './agent.ts'
import { MARKER_FILE } from './ring/marker.ts'
import { openRing } from './ring/ring.ts'

export interface OfflineSetup {
  readonly code: string
  readonly name: string
  readonly discard: boolean
  readonly state: string
  /** Where the ring is; looked at only when the storage device changes. */
  readonly ring: string
}

/** Throws as `CameraAgent.setUp` does, and what `openRing` throws. */
export async function setUpOffline(options: OfflineSetup): Promise<{ storage: string; running: false }> {
  const { name, discard, state, ring } = options
  const code = parseSetupCode(options.code)
  const pairing = await PairingFile.open(state)
  const current = pairing.current
  if (current !== undefined && !equalBytes(current.storage, code.storage)) await checkRing(state, ring, code, discard)
  await pairing.setup(code, name)
  return { storage: formatUid(code.storage), running: false }
}

async function checkRing(state: string, dir: string, code: SetupCode, discard: boolean): Promise<void> {
  const disk = new RealDisk()
  if ((await disk.stat(join(dir, MARKER_FILE))) === undefined) return
  const camera = await loadIdentity(state)
  const sealer = new LogSealer(camera, code.storage)
  const ring = await openRing({ disk, dir, camera, sealer, boot: kernelBootId(), clock: new RealClock() })
  try {
    await giveUpOthers(ring, code, discard)
  } finally {
    await ring.close()
  }
}
