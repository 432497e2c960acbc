// time-out: 120 s
/** The table of topologies, the lab as a program, and that nothing of a lab is left however its process ends. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Lab } from './lab.ts'
import { labTest } from './lab-fixture.ts'
import { folderOf } from './leftovers.ts'
import { percentile } from './measure.ts'
import { pause, runTool } from './tool.ts'
import { TOPOLOGIES, topologyNamed } from './topologies.ts'
import { camerasOf, switchDeviceOf } from './topology.ts'

const RUN = fileURLToPath(new URL('run.ts', import.meta.url))
const DEVICE_NAME_MAX = 15

test('every topology has its programs, and names and addresses that can be', () => {
  assert.is(new Set(TOPOLOGIES.map(({ name }) => name)).size, TOPOLOGIES.length)
  for (const topology of TOPOLOGIES) {
    const { name, nodes, udpBlocked = [] } = topology
    const names = nodes.map((node) => node.name)
    assert.is(new Set(names).size, names.length, name)
    for (const needed of ['server', 'storage', 'camera', ...udpBlocked]) assert.ok(names.includes(needed), name)
    assert.is(camerasOf(topology)[0], 'camera', name)
    const ports = nodes.flatMap((node) => node.ports.map((port) => `${port.network} ${port.address}`))
    assert.is(new Set(ports).size, ports.length, name)
    const networks = nodes.flatMap((node) => node.ports.map(({ network }) => network))
    const devices = nodes.flatMap((node) => node.ports.map((_port, index) => switchDeviceOf(node, index)))
    for (const device of [...networks, ...devices]) assert.ok(device.length <= DEVICE_NAME_MAX, `${name}: ${device}`)
  }
})

test('percentiles are by nearest rank', () => {
  const values = [9, 1, 8, 2, 7, 3, 6, 4, 5, 10]
  assert.equal([percentile(values, 0.5), percentile(values, 0.95), percentile(values, 0.1)], [5, 10, 1])
  assert.is(percentile([3], 0.5), 3)
})

test('a command line that is wrong is refused with status 2, and told what there is', () => {
  for (const [args, said] of [
    [[], 'Usage'],
    [['try', 'moon'], 'same-lan'],
    [['try', 'same-lan', '0'], 'number of tries'],
    [['up', 'same-lan', '--fast'], 'Usage'],
  ] as const) {
    const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', RUN, ...args], { encoding: 'utf8' })
    assert.is(status, 2, stderr)
    assert.match(stderr, said)
  }
})

labTest('two labs of the same kind stand at once, and a closed one leaves nothing', async () => {
  const labs = [await Lab.create(topologyNamed('two-cones')), await Lab.create(topologyNamed('two-cones'))]
  for (const { id } of labs) assert.ok(remains(id).length > 0)
  const [first, second] = labs.map(({ id }) => id)
  labs[0]?.close()
  assert.equal(remains(first ?? ''), [])
  assert.ok(remains(second ?? '').length > 0)
  labs[1]?.close()
  labs[1]?.close()
  assert.equal(remains(second ?? ''), [])
})

labTest('what is typed while a lab stands is done, or refused with the reason', async () => {
  const { child, says } = await standing()
  for (const [line, answer] of [
    ['lose camera 10', 'done'],
    ['lose camera lots', '"lots" is no whole number.'],
    ['cut camera sideways', '"sideways" is no direction, expected from or to.'],
    ['pull fridge', 'there is no node "fridge"'],
    ['flush camera', 'camera is no router.'],
    ['kill server', 'server was never started.'],
    ['toString', 'there is no command "toString"'],
  ] as const) {
    child.stdin?.write(`${line}\n`)
    assert.match(await says(), answer, line)
  }
  child.kill('SIGTERM')
  await once(child, 'exit')
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  labTest(`${signal} removes a lab with all that runs in it`, async () => {
    const { child, id, inside } = await standing()
    child.kill(signal)
    await once(child, 'exit')
    assert.equal(remains(id), [])
    await inside
  })
}

labTest('what a killed process has left is removed by `clean`, and nothing else', async () => {
  const other = await Lab.create(topologyNamed('same-lan'))
  const { child, id, inside } = await standing()
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.ok(remains(id).length > 0)
  const { stdout } = spawnSync(process.execPath, ['--import', 'tsx', RUN, 'clean'], { encoding: 'utf8' })
  assert.match(stdout, `removed ${id}`)
  assert.equal(remains(id), [])
  await inside
  assert.ok(remains(other.id).length > 0)
  other.close()
})

interface Standing {
  readonly child: ChildProcess
  readonly id: string
  /** Resolves when what runs in the lab has ended. */
  readonly inside: Promise<unknown>
  /** The next thing it says. */
  says(): Promise<string>
}

/** A lab of another process, with something that runs in it. */
async function standing(): Promise<Standing> {
  const child = spawn(process.execPath, ['--import', 'tsx', RUN, 'up', 'same-lan', '--empty'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const says = async () => String((await once(child.stdout, 'data'))[0])
  let said = ''
  // The last word of the list of commands, which is the last that it says by itself.
  while (!said.endsWith('this list\n')) said += await says()
  const namespace = /(hwlab-\d+-\d+)-camera\b/.exec(said)
  const [name = '', id = ''] = namespace ?? []
  const sleeper = spawn('ip', ['netns', 'exec', name, 'sleep', '1000'])
  const inside = once(sleeper, 'exit')
  while (runTool('ip', ['netns', 'pids', name]) !== `${sleeper.pid}\n`) await pause(10)
  return { child, id, inside, says }
}

function remains(id: string): string[] {
  const namespaces = readdirSync('/run/netns').filter((name) => name.startsWith(`${id}-`))
  return existsSync(folderOf(id)) ? [...namespaces, folderOf(id)] : namespaces
}

test.run()
