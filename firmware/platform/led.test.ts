import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { HomewardError } from '../wire/errors.ts'
import { FakeClock } from './clock-fake.ts'
import { FakeLine } from './gpio-fake.ts'
import { ClassLed } from './led-class.ts'
import { LineLed } from './led-line.ts'

/** Files as the kernel has them, without what the kernel does with them. */
const test = suite<{ root: string; led: string }>('led')

test.before.each(async (context) => {
  context.root = await mkdtemp(join(tmpdir(), 'homeward-'))
  context.led = join(context.root, 'green:status')
  await mkdir(context.led)
  for (const file of ['trigger', 'brightness', 'delay_on', 'delay_off']) await writeFile(join(context.led, file), '')
  await writeFile(join(context.led, 'max_brightness'), '255\n')
})

test.after.each(({ root }) => rm(root, { recursive: true }))

async function filesOf(folder: string) {
  const names = (await readdir(folder)).filter((name) => name !== 'max_brightness')
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')])),
  )
}

function classLed(root: string, clock: FakeClock, troubles: HomewardError[] = []) {
  return new ClassLed({ name: 'green:status', clock, onTrouble: (problem) => troubles.push(problem), folder: root })
}

test('the kernel blinks', async ({ root, led }) => {
  const clock = new FakeClock()
  const shown = classLed(root, clock)
  shown.show('not-set-up')
  await clock.advance(5000)
  await until(async () => (await filesOf(led)).delay_off !== '')
  const { trigger, delay_on, delay_off } = await filesOf(led)
  assert.equal([trigger, delay_on, delay_off], ['timer', '200', '800'])
  assert.is(clock.pendingTimers, 0)
  await shown.close()
})

test('steady light has the full brightness and no trigger; closed it is dark', async ({ root, led }) => {
  const clock = new FakeClock()
  const shown = classLed(root, clock)
  shown.show('online')
  await shown.close()
  assert.equal((await filesOf(led)).brightness, '0')
  const again = classLed(root, clock)
  again.show('online')
  await clock.advance(1)
  await until(async () => (await filesOf(led)).brightness === '255')
  assert.is((await filesOf(led)).trigger, 'none')
  await again.close()
})

test('without the timer trigger a timer here blinks', async ({ root, led }) => {
  await rm(join(led, 'delay_on'))
  const clock = new FakeClock()
  const shown = classLed(root, clock)
  shown.show('connecting')
  const lights: unknown[] = []
  for (let step = 0; step < 4; step++) {
    await until(async () => clock.pendingTimers === 1)
    await clock.advance(0)
    const lit = step % 2 === 0
    // A plain file keeps the rest of what stood there before.
    await until(async () => (await filesOf(led)).brightness?.startsWith(lit ? '255' : '0') === true)
    lights.push(lit)
    await clock.advance(200)
  }
  assert.equal(lights, [true, false, true, false])
  await shown.close()
  assert.is(clock.pendingTimers, 0)
})

test('an LED that is not there is told of once, and makes no files', async ({ root, led }) => {
  await rm(led, { recursive: true })
  const troubles: HomewardError[] = []
  const shown = classLed(root, new FakeClock(), troubles)
  shown.show('online')
  shown.show('error')
  await shown.close()
  assert.equal(
    troubles.map(({ code }) => code),
    ['CONFIG_INVALID'],
  )
  assert.match(troubles[0]?.message ?? '', /"green:status"/)
  assert.equal(await readdir(root), [])
})

test('an LED on a line', async () => {
  const clock = new FakeClock()
  const line = new FakeLine()
  const led = new LineLed(line, clock)
  led.show('resetting')
  led.show('resetting')
  await clock.advance(150)
  assert.equal(line.levels, [true, false, true, false])
  led.show('online')
  await clock.advance(5000)
  assert.equal(line.levels.slice(4), [true])
  led.show('dark')
  assert.is(line.active, false)
  led.show('online')
  await led.close()
  assert.equal([line.active, line.closed, clock.pendingTimers], [false, true, 0])
})

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await isSo()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error('it never became so')
}

test.run()
