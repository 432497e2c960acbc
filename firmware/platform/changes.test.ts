import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Changes, withoutNumbers } from './changes.ts'

test('the same is told once', () => {
  const changes = new Changes()
  assert.not(changes.differs(undefined))
  assert.ok(changes.differs('down'))
  assert.not(changes.differs('down'))
  assert.ok(changes.differs('gone'))
  assert.ok(changes.differs(undefined))
  assert.not(changes.differs(undefined))
  assert.ok(changes.differs('gone'))
})

test('numbers do not make a difference', () => {
  assert.is(withoutNumbers('pts 120 after 3.5 s'), withoutNumbers('pts 7 after 12.25 s'))
  assert.is.not(withoutNumbers('pts 120'), withoutNumbers('dts 120'))
})

test.run()
