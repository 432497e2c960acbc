import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type HomewardError, isHomewardError } from '../wire/errors.ts'
import { InputButton } from './button-input.ts'
import { LineButton } from './button-line.ts'
import { FakeClock } from './clock-fake.ts'
import { FakeLine } from './gpio-fake.ts'
import { INPUT_EVENT_BYTES, keyChanges } from './input-event.ts'

const KEY_RESTART = 0x198
const EV_SYN = 0
const EV_KEY = 1

function event(type: number, code: number, value: number): Buffer {
  const bytes = Buffer.alloc(INPUT_EVENT_BYTES)
  bytes.writeBigInt64LE(1_700_000_000n, 0)
  bytes.writeUInt16LE(type, 16)
  bytes.writeUInt16LE(code, 18)
  bytes.writeInt32LE(value, 20)
  return bytes
}

const PRESS = event(EV_KEY, KEY_RESTART, 1)
const RELEASE = event(EV_KEY, KEY_RESTART, 0)
const OTHERS = [event(EV_SYN, 0, 0), event(EV_KEY, KEY_RESTART, 2), event(EV_KEY, 30, 1)]

test('only presses and releases of the one key count', () => {
  assert.equal(keyChanges(Buffer.concat([...OTHERS, PRESS, ...OTHERS, RELEASE]), KEY_RESTART), [true, false])
})

test('half an event is passed over, wherever it is cut', () => {
  for (let cut = 0; cut < INPUT_EVENT_BYTES; cut++) {
    assert.equal(keyChanges(Buffer.concat([PRESS, RELEASE.subarray(0, cut)]), KEY_RESTART), [true])
  }
})

test('a button on a line', async () => {
  const clock = new FakeClock()
  const line = new FakeLine()
  const button = new LineButton(line, clock)
  const seen: boolean[] = []
  button.onChange((pressed) => seen.push(pressed))
  line.active = true
  await clock.advance(1000)
  line.active = false
  await clock.advance(1000)
  assert.equal(seen, [true, false])
  await button.close()
  await button.close()
  assert.equal([line.closed, clock.pendingTimers], [true, 0])
})

async function withDevice(run: (list: string, nodes: string) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'homeward-'))
  try {
    await mkdir(join(root, 'class/event3/device'), { recursive: true })
    await writeFile(join(root, 'class/event3/device/name'), 'gpio-keys\n')
    await mkdir(join(root, 'nodes'))
    await run(join(root, 'class'), join(root, 'nodes'))
  } finally {
    await rm(root, { recursive: true })
  }
}

test('an input device, found by its name', async () => {
  await withDevice(async (list, nodes) => {
    await writeFile(join(nodes, 'event3'), Buffer.concat([PRESS, ...OTHERS, RELEASE]))
    const clock = new FakeClock()
    const troubles: HomewardError[] = []
    const options = {
      device: 'gpio-keys',
      key: KEY_RESTART,
      clock,
      onTrouble: (one: HomewardError) => troubles.push(one),
    }
    const button = await InputButton.open({ ...options, list, nodes })
    const seen: boolean[] = []
    button.onChange((pressed) => seen.push(pressed))
    for (let turn = 0; seen.length < 2 && turn < 200; turn++) {
      await clock.advance(100)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    assert.equal([seen, troubles], [[true, false], []])
    await button.close()
    await clock.advance(1000)
    assert.is(clock.pendingTimers, 0)
  })
})

test('no such input device: the ones there are stand in the message', async () => {
  await withDevice(async (list, nodes) => {
    const options = { device: 'power', key: 1, clock: new FakeClock(), onTrouble: () => {} }
    try {
      await InputButton.open({ ...options, list, nodes })
      assert.unreachable()
    } catch (error) {
      assert.ok(isHomewardError(error, 'CONFIG_INVALID'))
      assert.match((error as Error).message, /no input device "power", only "gpio-keys"/)
    }
  })
})

test.run()
