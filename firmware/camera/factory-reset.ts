/**
 * A camera as it was when it came: another key, no pairing, an empty ring. Footage that was not safe yet is given up, for
 * the key that named it is gone.
 */
import { emptyState, isResetNoted } from '../link/state-reset.ts'
import { RealDisk } from '../platform/disk-real.ts'
import { isHomewardError } from '../wire/errors.ts'
import { readKnownCard } from './known-card.ts'
import { emptyRing } from './ring/empty-ring.ts'

/** Does what was noted before the restart; true when there was something. */
export async function finishFactoryReset(state: string): Promise<boolean> {
  if (!(await isResetNoted(state))) return false
  const dir = await readKnownCard(state)
  if (dir !== undefined) {
    try {
      await emptyRing(new RealDisk(), dir)
    } catch (error) {
      // The card is not there: it keeps what it has, and is refused until `ring init`.
      if (!isHomewardError(error, 'RING_UNMARKED', 'RING_FOREIGN')) throw error
    }
  }
  await emptyState(state)
  return true
}
