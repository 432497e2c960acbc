import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { judge, runSuite, tallyOf } from './suite.ts'
import { SUITES } from './suites.ts'

const SUMMARY = (total: number, passed: number, skipped = 0) =>
  `\n  Total:     ${total}\n  Passed:    ${passed}\n  Skipped:   ${skipped}\n  Duration:  1ms\n`

test('each suite has a name of its own, a file that is there and something that makes it long', () => {
  assert.is(new Set(SUITES.map(({ name }) => name)).size, SUITES.length)
  for (const { file, env, args = [], name } of SUITES) {
    assert.ok(existsSync(fileURLToPath(new URL(`../../${file}`, import.meta.url))), file)
    assert.ok(Object.keys(env).length + args.length > 0, name)
  }
})

test('what counts as passed and failed', () => {
  const of = (status: number | null, output: string, file = 'a.test.ts', isLate = false) => {
    const { passed, failed, trouble } = judge(file, status, output, isLate, 5)
    return [passed, failed, trouble]
  }
  assert.equal(of(0, SUMMARY(3, 3)), [3, 0, ''])
  assert.equal(of(1, SUMMARY(3, 2)), [2, 1, ''])
  assert.equal(of(0, ''), [0, 1, 'no test ran (exit status 0)'])
  assert.equal(of(1, SUMMARY(3, 3)), [3, 1, 'exit status 1 though no test failed'])
  assert.equal(of(0, SUMMARY(0, 0, 2)), [0, 1, 'every test was skipped'])
  assert.equal(of(null, SUMMARY(3, 3), 'a.test.ts', true), [0, 1, 'did not end within 5 s'])
  assert.equal(
    [of(0, '', 'a.ts'), of(2, '', 'a.ts')],
    [
      [1, 0, ''],
      [0, 1, ''],
    ],
  )
})

test('what a suite of power cuts counted', () => {
  const line = 'ring: 9 distinct cut points in 1 lives, 27 crashes, 0 violations'
  assert.is(tallyOf(`one\n${line}\n${SUMMARY(1, 1)}`), line)
  assert.is(tallyOf(SUMMARY(1, 1)), '')
})

test('a script runs with its environment, is heard, and is ended when it takes too long', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'homeward-'))
  const file = join(folder, 'script.ts')
  await writeFile(
    file,
    "process.stdout.write(process.env.LONG + ' ' + process.argv[2] + '\\n')\nif (process.argv[2] === 'hang') setInterval(() => {}, 1000)\n",
  )
  const lines: string[] = []
  const suite = { name: 'x', what: '', file, env: { LONG: 'yes' }, withinS: 30 }
  const good = await runSuite({ ...suite, args: ['go'] }, (line) => lines.push(line))
  assert.equal([good.passed, good.failed], [1, 0])
  assert.equal(lines, ['  yes go'])
  const late = await runSuite({ ...suite, args: ['hang'], withinS: 2 }, (line) => lines.push(line))
  assert.equal([late.passed, late.failed, late.trouble], [0, 1, 'did not end within 2 s'])
  await rm(folder, { recursive: true })
})

test.run()
