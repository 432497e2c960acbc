/**
 * `make bench`: every row is a ratio against a rival, or against the bare limit, measured in the same run with the built
 * programs. Prints a table, writes `out/bench.json`, exits 1 when a target does not hold. Arguments: only the benches whose
 * name contains one of them (`make bench ONLY=ring`).
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { constants, cpus } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Bench } from './bench.ts'
import { cameraCost } from './camera-cost.ts'
import { connect } from './connect.ts'
import { exportTime } from './export-time.ts'
import { indexMonth } from './index-month.ts'
import { manyCameras } from './many-cameras.ts'
import { pageFlood } from './page-flood.ts'
import { pageMonth } from './page-month.ts'
import { idleShare } from './process-use.ts'
import { relay } from './relay.ts'
import { ringOpen } from './ring-open.ts'
import { ringWrites } from './ring-writes.ts'
import { judge, type Row, tableOf } from './row.ts'
import { throughput } from './throughput.ts'

const OUT = fileURLToPath(new URL('../../out', import.meta.url))
/** Less idle than this before a bench, and something else is running: the figures say less. */
const QUIET = 0.9

const BENCHES: Readonly<Record<string, Bench>> = {
  throughput,
  camera: cameraCost,
  ring: ringWrites,
  'ring-open': ringOpen,
  ack: manyCameras,
  connect,
  relay,
  index: indexMonth,
  export: exportTime,
  'page-month': pageMonth,
  'page-flood': pageFlood,
}

const wanted = process.argv.slice(2)
const names = Object.keys(BENCHES).filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
if (names.length === 0) {
  print(`no bench matches ${wanted.join(' ')}: there are ${Object.keys(BENCHES).join(', ')}`)
  process.exit(2)
}

// With this process ends all that it started (`TestHome`), which is more than the signal reaches.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => process.exit(128 + constants.signals[signal]))
}

const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node.js ${process.version}`
print(machine)
const rows: Row[] = []
const disturbed: string[] = []
const skipped: string[] = []
for (const name of names) {
  const idle = await idleShare()
  if (idle < QUIET) disturbed.push(`${name}: the machine was ${Math.round(idle * 100)} % idle before it began`)
  const started = performance.now()
  const outcome = (await BENCHES[name]?.()) ?? []
  if ('skipped' in outcome) skipped.push(`${name}: skipped: ${outcome.skipped}`)
  else rows.push(...outcome)
  print(`${name} took ${((performance.now() - started) / 1000).toFixed(0)} s`)
}
print(`\n${[tableOf(rows), ...disturbed, ...skipped].join('\n')}`)

const verdicts = rows.map((row) => ({ ...row, ...judge(row) }))
await mkdir(OUT, { recursive: true })
await writeFile(
  join(OUT, 'bench.json'),
  `${JSON.stringify({ machine, disturbed, skipped, rows: verdicts }, null, 2)}\n`,
)
process.exitCode = verdicts.every(({ holds }) => holds) ? 0 : 1

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
