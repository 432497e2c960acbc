/**
 * The lab by hand, as root:
 *
 *   node --import tsx scripts/netlab/run.ts list
 *                                           try TOPOLOGY|all [N]     connects N times (10), and says how and how fast
 *                                           up TOPOLOGY [--empty]    stands until Ctrl-C; --empty: without programs
 *                                           clean                    removes what a crashed run has left
 *
 * Exit status: 0 done, 1 failed, 2 wrong usage.
 */
import { createInterface } from 'node:readline'
import { errorLine, HomewardError, isHomewardError, isUsageError } from '../../firmware/wire/errors.ts'
import { labHelp, runLabCommand } from './console.ts'
import { Lab, labTrouble } from './lab.ts'
import { LabHome } from './lab-home.ts'
import { deadLabs, removeLab } from './leftovers.ts'
import { TOPOLOGIES, topologyNamed } from './topologies.ts'
import { tryTopology } from './try.ts'

const USAGE = 'Usage: run.ts list | try TOPOLOGY|all [N] | up TOPOLOGY [--empty] | clean'
const DEFAULT_TRIES = 10

try {
  process.exitCode = await run(process.argv.slice(2))
} catch (error) {
  if (!isHomewardError(error)) throw error
  process.stderr.write(`netlab: ${errorLine(error)}\n`)
  process.exitCode = isUsageError(error) ? 2 : 1
}

async function run([verb, name = '', extra]: readonly string[]): Promise<number> {
  switch (verb) {
    case 'list':
      print(table())
      return 0
    case 'clean':
      for (const id of deadLabs()) {
        removeLab(id)
        print(`removed ${id}`)
      }
      return 0
    case 'try': {
      const topologies = name === 'all' ? TOPOLOGIES : [topologyNamed(name)]
      const tries = Number(extra ?? DEFAULT_TRIES)
      if (!Number.isInteger(tries) || tries < 1) throw new HomewardError('USAGE', `"${extra}" is no number of tries`)
      await mustWork()
      let good = true
      for (const topology of topologies) good = (await tryTopology(topology, tries, print)) && good
      return good ? 0 : 1
    }
    case 'up':
      if (extra !== undefined && extra !== '--empty') throw new HomewardError('USAGE', `"${extra}"?`, { hint: USAGE })
      await up(name, extra === undefined)
      return 0
    default:
      throw new HomewardError('USAGE', `"${verb ?? ''}" is no command`, { hint: USAGE })
  }
}

/** Until Ctrl-C, which removes it: the process then ends without coming back here. */
async function up(name: string, withPrograms: boolean): Promise<void> {
  const topology = topologyNamed(name)
  await mustWork()
  const lab = await Lab.create(topology)
  print(`${name}: ${topology.about}. Best path: ${topology.best}`)
  for (const node of topology.nodes) {
    const where = node.ports.map(({ network, address }) => `${address} (${network})`).join(', ')
    print(`  ${node.name.padEnd(13)}${where}\n${' '.repeat(15)}${lab.on(node.name, ['sh']).join(' ')}`)
  }
  const home = new LabHome(lab)
  if (withPrograms) {
    try {
      await home.start()
      print('All programs are up, all cameras paired.')
    } catch (error) {
      if (!isHomewardError(error)) throw error
      print(`NOT all is up: ${errorLine(error)}`)
    }
    print(`States, logs and the disk: ${lab.folder}`)
    for (const camera of home.cameras) {
      print(`  node dist/cli/main.js camera status --state ${lab.folder}/${camera}`)
    }
  }
  print(`Ctrl-C ends it. Until then:\n${labHelp()}`)
  const lines = createInterface({ input: process.stdin })
  for await (const line of lines) print(await runLabCommand(home, line))
  // Nobody types, as in a script: it stands all the same.
  await new Promise(() => setInterval(() => undefined, 60_000))
}

async function mustWork(): Promise<void> {
  const trouble = await labTrouble()
  if (trouble !== undefined) throw new HomewardError('CONFIG_INVALID', `no lab can be built here: ${trouble}`)
}

function table(): string {
  return TOPOLOGIES.map(({ name, best, about }) => `  ${name.padEnd(21)}${best.padEnd(11)}${about}`).join('\n')
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
