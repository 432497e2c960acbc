/**
 * Runs the long suites one after the other, with what they print, and closes with one line `N passed, N failed`.
 * Arguments: names of suites; without one all of them. `list` says which there are.
 */

import { type Outcome, runSuite } from './suite.ts'
import { SUITES, type Suite } from './suites.ts'

const print = (line: string) => process.stdout.write(`${line}\n`)

function chosen(names: readonly string[]): readonly Suite[] | undefined {
  if (names.length === 0) return SUITES
  const unknown = names.filter((name) => SUITES.every((suite) => suite.name !== name))
  if (unknown.length === 0) return SUITES.filter(({ name }) => names.includes(name))
  print(`no suite ${unknown.join(', ')}. There are: ${SUITES.map(({ name }) => name).join(', ')}`)
  return undefined
}

const names = process.argv.slice(2)
if (names.includes('list')) for (const { name, what } of SUITES) print(`${name.padEnd(14)} ${what}`)
else {
  const suites = chosen(names)
  const outcomes: Outcome[] = []
  for (const suite of suites ?? []) {
    print(`${suite.name}: ${suite.what}`)
    const outcome = await runSuite(suite, print)
    outcomes.push(outcome)
    const { passed, failed, tookS, trouble, tally } = outcome
    const said = [trouble, tally].filter((text) => text !== '').map((text) => `, ${text}`)
    print(`${suite.name}: ${passed} passed, ${failed} failed, ${Math.round(tookS)} s${said.join('')}`)
  }
  const sum = (pick: (outcome: Outcome) => number) => outcomes.reduce((total, outcome) => total + pick(outcome), 0)
  const failed = sum((outcome) => outcome.failed) + (suites === undefined ? 1 : 0)
  print(`${sum((outcome) => outcome.passed)} passed, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
}
