/** Labs for tests: skipped with the reason where none can be built, and closed with all that was opened in them. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Lab, labTrouble } from './lab.ts'
import { topologyNamed } from './topologies.ts'
import { UdpEnd } from './udp-end.ts'

const trouble = await labTrouble()

/** A test that needs a lab. `waiting`: why it cannot hold yet. */
export function labTest(name: string, run: () => Promise<void>, waiting?: string): void {
  const reason = trouble ?? waiting
  if (reason === undefined) {
    test(name, run)
    return
  }
  process.stdout.write(`skipped: ${name}: ${reason}\n`)
  test.skip(name)
}

/**
 * A lab with UDP sockets. Keys of `ports` are nodes, each with its socket's port; where there is no node `NODE-2`, that
 * is a second socket on `NODE`.
 */
export async function withEnds<Name extends string>(
  topology: string,
  ports: Readonly<Record<Name, number>>,
  run: (ends: Readonly<Record<Name, UdpEnd>>, lab: Lab) => Promise<void>,
): Promise<void> {
  const lab = await Lab.create(topologyNamed(topology))
  try {
    const known = new Set(lab.topology.nodes.map(({ name }) => name))
    const opened = Object.entries<number>(ports).map(async ([name, port]) => {
      const node = known.has(name) ? name : name.replace(/-2$/, '')
      return [name, await UdpEnd.open(lab, node, port)] as const
    })
    await run(Object.fromEntries(await Promise.all(opened)) as Record<Name, UdpEnd>, lab)
  } finally {
    // The sockets' processes run in it, and end with it.
    lab.close()
  }
}

let words = 0

/** That a datagram gets from one to the other at `host`. Throws TIMED_OUT. */
export async function arrives(from: UdpEnd, to: UdpEnd, host: string): Promise<void> {
  words += 1
  from.send(`word ${words}`, host, to.port)
  await to.from(`word ${words}`)
}

export async function isDropped(from: UdpEnd, to: UdpEnd, host: string): Promise<void> {
  words += 1
  from.send(`word ${words}`, host, to.port)
  assert.is(await to.got(`word ${words}`), false, `a datagram to ${host} arrived`)
}
