/** `camera status --json` has every key whatever the camera does: a program that reads it needs no cases. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MARKER_FILE } from '../camera/ring/marker.ts'
import { answerOf } from './command-fixture.ts'
import { TestHome } from './test-home.ts'

const SOURCE = 'fake:fps=30,gop=10,size=128x64,bitrate=800000'

/** Keys, and what they are when they are known. */
const KEYS: Readonly<Record<string, 'boolean' | 'string' | 'number' | 'object'>> = {
  provisioned: 'boolean',
  uid: 'string',
  state: 'string',
  path: 'string',
  'seq.captured': 'number',
  'seq.acked': 'number',
  'ring.capacityBytes': 'number',
  'ring.usedBytes': 'number',
  'ring.unackedBytes': 'number',
  'ring.oldestUnackedAgeMs': 'number',
  clock: 'object',
  lastAttempt: 'object',
}

const MISSING = Symbol('missing')

function valueAt(status: unknown, key: string): unknown {
  let value: unknown = status
  for (const part of key.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return MISSING
    value = (value as Record<string, unknown>)[part]
  }
  return value
}

/** All keys are there; exactly these are null. */
async function assertKeys(home: TestHome, state: RegExp, unknown: readonly string[]): Promise<void> {
  const status = await answerOf<{ state: string }>(['camera', 'status', '--state', join(home.folder, 'camera')])
  assert.match(status.state, state)
  for (const [key, type] of Object.entries(KEYS)) {
    const value = valueAt(status, key)
    if (unknown.includes(key)) assert.is(value, null, `${status.state}: ${key}`)
    else assert.ok(value !== null && typeof value === type, `${status.state}: ${key} is ${String(value)}`)
  }
}

/** On the way to the storage device, from one state to the next. */
const SEEKING = /^(walking|opening|enrolling|lost)$/

const NOT_FILMING = Object.keys(KEYS).filter((key) => /^(path|seq\.|ring\.|lastAttempt)/.test(key))

test('not set up, on the way, connected, on the way again', async () => {
  const home = await TestHome.create()
  try {
    await home.startServer()
    await home.startStorage()
    await home.startCamera('camera', SOURCE)
    await assertKeys(home, /^not-set-up$/, NOT_FILMING)
    const { setupCode } = (await home.program('storage').call('pair', { name: 'camera' })) as { setupCode: string }
    await home.program('storage').stop()
    await home.program('camera').call('setup', { code: setupCode, name: 'camera' })
    await home.until('camera', 'on the way', (status) => status.seq.captured > 0)
    await assertKeys(home, SEEKING, ['path'])
    await home.startStorage()
    await home.until('camera', 'connected', (status) => status.state === 'connected' && status.seq.acked > 0)
    await assertKeys(home, /^connected$/, [])
    await home.program('storage').stop()
    await home.until('camera', 'on the way again', (status) => SEEKING.test(status.state))
    await assertKeys(home, SEEKING, ['path'])
  } finally {
    await home.close()
  }
})

test('set up, but the card cannot be used', async () => {
  const home = await TestHome.create()
  try {
    await home.startServer()
    await home.startStorage()
    await home.startCamera('camera', SOURCE)
    await rm(join(home.ring('camera'), MARKER_FILE))
    await home.pair('camera').catch(() => undefined)
    await assertKeys(home, /^not-filming$/, NOT_FILMING)
  } finally {
    await home.close()
  }
})

test.run()
