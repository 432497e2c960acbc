import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../wire/errors.ts'
import { WatchdogDevice } from './watchdog-device.ts'

test('it is given its time-out, petted, and disarmed at the end', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'homeward-'))
  const path = join(dir, 'watchdog0')
  await writeFile(path, '')
  const requests: number[] = []
  const watchdog = WatchdogDevice.open(path, 30, (_, request, argument) => {
    requests.push(request)
    // The hardware counts in steps of 16 s.
    Buffer.from(argument.buffer, argument.byteOffset).writeInt32LE(32)
  })
  assert.equal([requests, watchdog.timeoutSeconds], [[0xc0045706], 32])
  watchdog.pet()
  watchdog.pet()
  await watchdog.close()
  await watchdog.close()
  watchdog.pet()
  assert.is(await readFile(path, 'latin1'), '..V')
  await rm(dir, { recursive: true })
})

test('hardware with a fixed time-out', async () => {
  const watchdog = WatchdogDevice.open('/dev/null', 20, () => {
    throw new Error('EINVAL')
  })
  assert.is(watchdog.timeoutSeconds, 20)
  await watchdog.close()
})

test('no watchdog', () => {
  assert.throws(
    () => WatchdogDevice.open('/nonexistent/watchdog', 20, () => {}),
    (error: unknown) => isHomewardError(error, 'CONFIG_INVALID'),
  )
})

test.run()
