import { pino } from 'pino'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeButton } from './button-fake.ts'
import { FakeClock } from './clock-fake.ts'
import { FrontPanel } from './front-panel.ts'
import type { LedPattern } from './led.ts'
import { FakeLed } from './led-fake.ts'
import { FakeSerial } from './serial-fake.ts'
import { FakeWatchdog } from './watchdog-fake.ts'

function newPanel() {
  const clock = new FakeClock()
  const lines: string[] = []
  const log = pino({ base: null }, { write: (line: string) => lines.push((JSON.parse(line) as { msg: string }).msg) })
  const parts = {
    led: new FakeLed(),
    button: new FakeButton(),
    serial: new FakeSerial(),
    watchdog: new FakeWatchdog(30),
  }
  const now: { pattern: LedPattern; stuck: string | undefined } = { pattern: 'connecting', stuck: undefined }
  const done: string[] = []
  let finish = () => {}
  const work = (what: string) => () => {
    done.push(what)
    return new Promise<void>((resolve) => {
      finish = resolve
    })
  }
  const owner = {
    role: 'camera',
    commands: {},
    look: () => now,
    reset: work('reset'),
    factoryReset: work('factory-reset'),
  }
  const panel = new FrontPanel(parts, owner, clock, log)
  panel.start()
  return { ...parts, panel, clock, lines, now, done, finish: () => finish() }
}

test('it shows what the agent does, and pets the watchdog each second', async () => {
  const { clock, led, watchdog, now } = newPanel()
  await clock.advance(3000)
  now.pattern = 'online'
  await clock.advance(1000)
  assert.equal(led.shown, ['connecting', 'online'])
  assert.is(watchdog.pets, 5)
})

test('stuck: the watchdog is left alone and the log says why, once', async () => {
  const { clock, watchdog, now, lines } = newPanel()
  now.stuck = 'the encoder has delivered nothing for 90 s'
  await clock.advance(10_000)
  assert.is(watchdog.pets, 1)
  assert.equal(lines, [
    'stuck: the encoder has delivered nothing for 90 s. The watchdog restarts the board within 30 s',
  ])
  now.stuck = undefined
  await clock.advance(1000)
  assert.is(watchdog.pets, 2)
  assert.is(lines.at(-1), 'progress again')
})

test('a short press does nothing', async () => {
  const { clock, button, done } = newPanel()
  button.press()
  await clock.advance(4_900)
  button.release()
  await clock.advance(30_000)
  assert.equal(done, [])
})

test('5 s: the LED says so before the button is let go, and the reset is done after', async () => {
  const { clock, button, done, led, finish } = newPanel()
  button.press()
  await clock.advance(5_000)
  assert.equal([led.shown.at(-1), done], ['reset-armed', []])
  button.release()
  assert.equal([led.shown.at(-1), done], ['resetting', ['reset']])
  await clock.advance(3_000)
  assert.is(led.shown.at(-1), 'resetting')
  finish()
  await clock.advance(1_000)
  assert.is(led.shown.at(-1), 'connecting')
})

test('20 s: everything', async () => {
  const { clock, button, done, led } = newPanel()
  button.press()
  await clock.advance(20_000)
  assert.equal([led.shown.slice(-2), done], [['reset-armed', 'resetting'], []])
  button.release()
  button.press()
  button.release()
  assert.equal(done, ['factory-reset'])
})

test('closed, everything is closed and no timer is left', async () => {
  const { panel, clock, led, button, serial, watchdog } = newPanel()
  button.press()
  await panel.close()
  await panel.close()
  assert.equal(
    [led.closed, button.closed, serial.closed, watchdog.closed, clock.pendingTimers],
    [true, true, true, true, 0],
  )
})

test.run()
