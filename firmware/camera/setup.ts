/** Setting a camera up while its agent is not running. */
import { loadIdentity } from '../link/identity.ts'
import { PairingFile } from '../link/pairing.ts'
import { LogSealer } from '../link/seal.ts'
import { parseSetupCode, type SetupCode } from '../link/setup-code.ts'
import { formatUid } from '../link/uid.ts'
import { kernelBootId, RealClock } from '../platform/clock-real.ts'
import { RealDisk } from '../platform/disk-real.ts'
import { equalBytes } from '../wire/bytes.ts'
import { HomewardError, isHomewardError } from '../wire/errors.ts'
import { refuseOthers } from './agent.ts'
import { readKnownCard } from './known-card.ts'
import { openRing, type Ring } from './ring/ring.ts'
import { countWaiting, logsForOthers } from './waiting.ts'

export interface OfflineSetup {
  readonly code: string
  readonly name: string
  readonly discard: boolean
  readonly state: string
  /** Where the ring is, if not where the agent had it last; looked at only when the storage device changes. */
  readonly ring: string | undefined
}

/** Throws as `CameraAgent.setUp` does, and what `openRing` throws. */
export async function setUpOffline(options: OfflineSetup): Promise<{ storage: string; running: false }> {
  const { name, discard, state } = options
  const code = parseSetupCode(options.code)
  const pairing = await PairingFile.open(state)
  const current = pairing.current
  const dir = options.ring ?? (await readKnownCard(state))
  const changes = current !== undefined && !equalBytes(current.storage, code.storage)
  if (changes && dir !== undefined) await checkRing(state, dir, code, discard)
  await pairing.setup(code, name)
  return { storage: formatUid(code.storage), running: false }
}

async function checkRing(state: string, dir: string, code: SetupCode, discard: boolean): Promise<void> {
  const camera = await loadIdentity(state)
  const sealer = new LogSealer(camera, code.storage)
  const options = { disk: new RealDisk(), dir, camera, sealer, boot: kernelBootId(), clock: new RealClock() }
  const ring = await openRing(options).catch((error: unknown) => {
    if (!isHomewardError(error, 'RING_UNMARKED')) throw error
    if (discard) return undefined
    throw new HomewardError('RING_UNMARKED', `${error.message}, so nobody knows whether footage waits on the card`, {
      hint: 'Put the card in and mount it, name its folder with --ring, or give up what is on it with --discard.',
      cause: error,
    })
  })
  if (ring === undefined) return
  try {
    if (discard) await giveUp(ring, code)
    else refuseOthers([ring], code)
  } finally {
    await ring.close()
  }
}

/** The gap is sealed for the new storage device; it is on the card before anything is given up. */
async function giveUp(ring: Ring, code: SetupCode): Promise<void> {
  const fragments = countWaiting(logsForOthers([ring], code.storage))
  if (fragments === 0) return
  await ring.addGap(fragments, 'discarded')
  await ring.discard(code.storage)
}
