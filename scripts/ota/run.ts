/** `make BOARD=… IP=… ota`: signs the image that was built last, sends it, and waits until the device has kept it or gone back. */
import { errorLine, HomewardError } from '../../firmware/wire/errors.ts'
import { imageBoard } from '../image/boards.ts'
import { reportFailure } from '../image/failure.ts'
import { bundleOf } from './bundle.ts'
import { updateKey } from './key.ts'
import { askRunning, sendUpdate } from './send.ts'

/** Start, the time the agent has to show that it works, and a start of the old system when it does not. */
const SETTLED_WITHIN_MS = 8 * 60_000
const ASK_EVERY_MS = 5000

try {
  const { id } = imageBoard(process.argv[2])
  const host = process.argv[3] ?? ''
  if (host === '') throw new HomewardError('USAGE', 'no device is named, expected IP=ADDRESS')
  const { bytes, version } = bundleOf(id, updateKey())
  process.stdout.write(`Homeward ${version} for ${id}, ${(bytes.length / 2 ** 20).toFixed(1)} MiB\n`)
  process.stdout.write(`${await sendUpdate(host, id, bytes, (line) => process.stdout.write(`${line}\n`))}\n`)
  const kept = await settled(host, version)
  if (!kept) {
    throw new HomewardError('INTERNAL', `the device went back to its old system: ${version} did not work there`, {
      hint: 'The log of the service health on the device says why.',
    })
  }
  process.stdout.write(`${host} runs ${version} and has kept it\n`)
} catch (error) {
  reportFailure(error)
}

/** Whether it runs `version` for good. Throws TIMED_OUT. */
async function settled(host: string, version: string): Promise<boolean> {
  const until = performance.now() + SETTLED_WITHIN_MS
  let tried = false
  while (performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS))
    try {
      const running = await askRunning(host)
      if (running.version === version) tried = true
      if (running.version === version && !running.trial) return true
      if (running.version !== version && tried) return false
    } catch (error) {
      if (!(error instanceof HomewardError)) throw error
      process.stdout.write(`waiting: ${errorLine(error)}\n`)
    }
  }
  throw new HomewardError('TIMED_OUT', `${host} did not come back within ${SETTLED_WITHIN_MS / 60_000} min`)
}
