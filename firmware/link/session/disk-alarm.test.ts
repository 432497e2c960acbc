import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../../platform/clock-fake.ts'
import { HomewardError } from '../../wire/errors.ts'
import { DiskAlarm, TRIAL_AFTER_MAX_MS, TRIAL_AFTER_MS } from './disk-alarm.ts'

const full = new HomewardError('DISK_FULL', 'full')
const missing = new HomewardError('DISK_MISSING', 'gone')

function heard(): { clock: FakeClock; alarm: DiskAlarm; told: string[] } {
  const clock = new FakeClock()
  const told: string[] = []
  const alarm = new DiskAlarm(clock, (state, { code }) => told.push(`${state} ${code}`))
  return { clock, alarm, told }
}

test('one alarm for each kind of trouble, then trials that grow rarer', async () => {
  const { clock, alarm, told } = heard()
  assert.is(alarm.admit(), 'usual')
  alarm.failed(full, 'usual')
  alarm.failed(full, 'usual')
  assert.equal(told, ['raised DISK_FULL'])
  alarm.failed(missing, 'usual')
  assert.equal(told, ['raised DISK_FULL', 'raised DISK_MISSING'])
  assert.is(alarm.problem?.code, 'DISK_MISSING')
  assert.is(alarm.admit(), 'refused')

  told.length = 0
  const waits: number[] = []
  for (let trial = 0; trial < 6; trial++) {
    let waited = 0
    while (told.length === 0) {
      await clock.advance(1000)
      waited += 1000
    }
    waits.push(waited)
    assert.equal(told.splice(0), ['trial DISK_MISSING'])
    assert.equal([alarm.admit(), alarm.admit()], ['trial', 'refused'])
    alarm.failed(missing, 'usual')
    alarm.failed(missing, 'trial')
  }
  assert.equal(waits, [TRIAL_AFTER_MS, 10_000, 20_000, 40_000, TRIAL_AFTER_MAX_MS, TRIAL_AFTER_MAX_MS])
  alarm.close()
  assert.is(clock.pendingTimers, 0)
})

test('only what the trial wrote ends it', async () => {
  const { clock, alarm, told } = heard()
  alarm.failed(full, 'usual')
  alarm.worked('usual')
  assert.is(alarm.problem, full, 'that one was written before')
  await clock.advance(TRIAL_AFTER_MS)
  assert.is(alarm.admit(), 'trial')
  alarm.worked('usual')
  assert.is(alarm.problem, full)
  alarm.inconclusive('trial')
  assert.is(alarm.admit(), 'trial')
  alarm.worked('trial')
  assert.is(alarm.problem, undefined)
  assert.is(alarm.admit(), 'usual')
  assert.equal(told, ['raised DISK_FULL', 'trial DISK_FULL', 'trial DISK_FULL', 'cleared DISK_FULL'])
  alarm.inconclusive('usual')
  assert.is(clock.pendingTimers, 0)
})

test('trouble that comes back is trouble anew', async () => {
  const { clock, alarm, told } = heard()
  for (let round = 0; round < 2; round++) {
    alarm.failed(full, 'usual')
    await clock.advance(TRIAL_AFTER_MS)
    alarm.admit()
    alarm.worked('trial')
  }
  assert.is(told.filter((word) => word === 'raised DISK_FULL').length, 2)
})

test.run()
