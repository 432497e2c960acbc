import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { HomewardError, isHomewardError } from '../../wire/errors.ts'
import { GroupCommit } from './group-commit.ts'

const failed = (error: unknown) => new HomewardError('RING_FAILED', String(error))

class Gate {
  open = () => {}
  wait = new Promise<void>((resolve) => {
    this.open = resolve
  })
}

test('jobs run in order; those that come during a sync share the next one', async () => {
  const log: string[] = []
  const gates = [new Gate(), new Gate(), new Gate()]
  let syncs = 0
  const commits = new GroupCommit(async () => {
    log.push(`sync ${syncs}`)
    await gates[syncs++]?.wait
  }, failed)
  const add = (name: string) =>
    commits
      .add(10, async () => {
        log.push(name)
        return name
      })
      .then((result) => log.push(`${result} done`))
  const first = add('a')
  await new Promise((resolve) => setImmediate(resolve))
  const others = [add('b'), add('c')]
  assert.is(commits.waitingBytes, 20)
  gates[0]?.open()
  await first
  await new Promise((resolve) => setImmediate(resolve))
  gates[1]?.open()
  await Promise.all(others)
  assert.equal(log, ['a', 'sync 0', 'b', 'a done', 'c', 'sync 1', 'b done', 'c done'])
  assert.is(commits.waitingBytes, 0)
})

test('a job added the moment another is done is not forgotten', async () => {
  const commits = new GroupCommit(async () => {}, failed)
  let sum = 0
  for (let round = 0; round < 50; round++) sum += await commits.add(1, async () => round)
  assert.is(sum, 1225)
  await commits.idle()
})

test('after an error everything is rejected, what was written but not synced too', async () => {
  for (const broken of ['job', 'sync'] as const) {
    const gate = new Gate()
    const commits = new GroupCommit(async () => {
      await gate.wait
      if (broken === 'sync') throw new Error('EIO')
    }, failed)
    const jobs = [commits.add(1, async () => 1), commits.add(1, async () => 2)]
    if (broken === 'job') jobs.push(commits.add(1, () => Promise.reject(new Error('EIO'))))
    jobs.push(commits.add(1, async () => 4))
    gate.open()
    for (const result of await Promise.allSettled(jobs)) {
      assert.is(result.status === 'rejected' && isHomewardError(result.reason, 'RING_FAILED'), true, broken)
    }
    await commits
      .add(1, async () => 5)
      .then(
        () => assert.unreachable(),
        () => {},
      )
    await commits.idle()
    assert.ok(commits.failure)
  }
})

test('a long queue is synced in batches', async () => {
  let syncs = 0
  const commits = new GroupCommit(async () => {
    syncs++
  }, failed)
  await Promise.all(Array.from({ length: 8 }, () => commits.add(3 * 1024 * 1024, async () => {})))
  assert.is(syncs, 3)
})

test.run()
