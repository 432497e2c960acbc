import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Account, accountFaults } from './frame-account.ts'

const run = (runId: string, frames: number, without: readonly number[] = []) =>
  Array.from({ length: frames }, (_, frame) => ({ runId, frame })).filter(({ frame }) => !without.includes(frame))

const faultsOf = (account: Partial<Account>) =>
  accountFaults({ frames: [], gaps: [], gop: 4, lives: [], reasons: [], unseenMax: 8, ...account })

const stopped = (fragments: number) => ({ fragments, killed: false })
const killed = (fragments: number) => ({ fragments, killed: true })

test('whole runs, a short last fragment, and what a killed camera captured unseen', () => {
  assert.equal(faultsOf({ frames: run('a', 12), lives: [stopped(3)] }), [])
  assert.equal(faultsOf({ frames: run('a', 9), lives: [stopped(3)] }), [])
  assert.equal(faultsOf({ frames: [...run('a', 20), ...run('b', 4)], lives: [killed(3), stopped(1)] }), [])
})

test('a frame that is missing, stored twice, or was never captured', () => {
  assert.equal(faultsOf({ frames: run('a', 12, [5]), lives: [stopped(3)] }), [
    'run 0: the fragment of frame 4 is stored in part',
  ])
  assert.equal(faultsOf({ frames: run('a', 12, [4, 5, 6, 7]), lives: [stopped(2)] }), [
    '1 fragments are missing, 0 are in the ledger',
  ])
  assert.equal(faultsOf({ frames: [...run('a', 12), { runId: 'a', frame: 3 }], lives: [stopped(3)] }), [
    'run 0: 1 frames are stored twice',
  ])
  assert.equal(faultsOf({ frames: run('a', 8), lives: [stopped(3)] }), [
    'run 0: 8 frames are stored of 3 fragments that were on the card',
  ])
  assert.equal(faultsOf({ frames: run('a', 11), lives: [killed(3)] }), [
    'run 0: 11 frames are stored of 3 fragments that were on the card',
  ])
  assert.equal(faultsOf({ frames: run('a', 13), lives: [stopped(3)] }), [
    'run 0: 13 frames are stored, 12 were captured',
  ])
  assert.equal(faultsOf({ frames: run('a', 4), lives: [stopped(1), stopped(1)] }), [
    '1 runs of the encoder are stored, expected 2',
  ])
})

test('what is in the ledger accounts for it, for a reason that can be', () => {
  const frames = run('a', 12, [4, 5, 6, 7])
  const gaps = [
    { reason: 'too-slow', first: 1, last: 1 },
    { reason: 'camera-off', first: 9, last: 9 },
  ]
  assert.equal(faultsOf({ frames, gaps, reasons: ['too-slow'], lives: [stopped(2)] }), [])
  assert.equal(faultsOf({ frames, gaps, lives: [stopped(2)] }), [
    '1 to 1 are lost, for a reason that was not there: too-slow',
  ])
})

test.run()
