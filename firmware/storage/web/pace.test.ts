import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Pace } from './pace.ts'

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

test('one piece of work in each turn, in order; other work comes in between', async () => {
  const pace = new Pace()
  const done: string[] = []
  for (const name of ['a', 'b', 'c']) pace.add(() => done.push(name))
  assert.equal(done, [], 'never at once')
  for (const all of ['a', 'ab', 'abc']) {
    await turn()
    assert.is(done.join(''), all)
  }
  pace.add(() => done.push('d'))
  await turn()
  assert.is(done.join(''), 'abcd', 'and again after a rest')
})

test('what is too much is not taken; closed, nothing more is done', async () => {
  const pace = new Pace()
  let done = 0
  let taken = 0
  while (pace.add(() => (done += 1)) && taken < 10_000) taken += 1
  assert.is(taken, 512)
  await turn()
  assert.ok(
    pace.add(() => undefined),
    'there is room again',
  )
  pace.close()
  await turn()
  assert.is(done, 1)
})

test.run()
