/** A storage device as it was when it came: another key, no cameras, no settings. The footage on the disk stays. */
import { emptyState, isResetNoted } from '../link/state-reset.ts'

/** Does what was noted before the restart; true when there was something. */
export async function finishFactoryReset(state: string): Promise<boolean> {
  if (!(await isResetNoted(state))) return false
  await emptyState(state)
  return true
}
