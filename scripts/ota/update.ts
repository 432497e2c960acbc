/** One update of a device, from the first byte until the device has kept it or gone back. */
import { errorLine, HomewardError } from '../../firmware/wire/errors.ts'
import { askRunning, sendUpdate, UPDATE_PORT } from './send.ts'

/** Start, the time the agent has to show that it works, and a start of the old system when it does not. */
const SETTLED_WITHIN_MS = 8 * 60_000
const ASK_EVERY_MS = 5000

export interface Update {
  readonly board: string
  readonly version: string
  readonly bytes: Uint8Array
}

export interface UpdateOptions {
  readonly port?: number
  readonly settledWithinMs?: number
  readonly askEveryMs?: number
}

/**
 * Resolves once the device runs the update for good. Rejects as `sendUpdate` does, with INTERNAL when the device went back to its old
 * system, and with TIMED_OUT when it did not come back at all.
 */
export async function updateDevice(
  host: string,
  update: Update,
  say: (line: string) => void,
  { port = UPDATE_PORT, settledWithinMs = SETTLED_WITHIN_MS, askEveryMs = ASK_EVERY_MS }: UpdateOptions = {},
): Promise<void> {
  const { version } = update
  say(await sendUpdate(host, update, say, port))
  const until = performance.now() + settledWithinMs
  let tried = false
  const told = new Set<string>()
  // It serves one after the other, and rests in between: what was said once need not be said at each turn.
  const tell = (line: string) => {
    if (!told.has(line)) say(line)
    told.add(line)
  }
  while (performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, askEveryMs))
    try {
      const running = await askRunning(host, port)
      const isNew = running.version === version
      if (isNew && !running.trial) return
      if (isNew) {
        tried = true
        tell(`${host} runs ${version} on trial: it has a few minutes to show that it works`)
      } else if (tried || running.undone === version) throw wentBack(host, version, running.version)
    } catch (error) {
      if (!(error instanceof HomewardError) || error.code === 'INTERNAL') throw error
      tell(`waiting: ${errorLine({ message: error.message })}`)
    }
  }
  throw new HomewardError('TIMED_OUT', `${host} did not come back within ${settledWithinMs / 60_000} min`, {
    hint: 'Its address may have changed: `network` on its serial console shows it, `info` what runs and why.',
  })
}

function wentBack(host: string, version: string, old: string): HomewardError {
  return new HomewardError('INTERNAL', `${host} went back to ${old}: ${version} did not work there`, {
    hint: 'Settings and footage are as before. `info` on its serial console says why, /data/log/health and the log of the agent beside it more.',
  })
}
