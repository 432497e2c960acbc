/** When this device's key was last backed up: STATE/key-backup.json. Nobody is asked to do again what was done. */
import { join } from 'node:path'
import { isCount, readState, writeState } from '../link/state-json.ts'

const FILE = 'key-backup.json'
const FORMAT = 'homeward-key-backup-1'

/** Wall time in µs; undefined when there is no backup of this very key. Throws STATE_DAMAGED. */
export async function readBackupMark(stateDir: string, uid: string): Promise<number | undefined> {
  const fields = await readState(join(stateDir, FILE), FORMAT)
  return fields?.uid === uid && isCount(fields.atUs) ? fields.atUs : undefined
}

export async function writeBackupMark(stateDir: string, uid: string, atUs: number): Promise<void> {
  await writeState(join(stateDir, FILE), FORMAT, { uid, atUs })
}
