/** One topology tried many times: how often a camera gets through, which way, and how fast. */

import { SEARCH_AGAIN_MS } from '../../firmware/link/link-state.ts'
import { errorLine, isHomewardError } from '../../firmware/wire/errors.ts'
import { Lab } from './lab.ts'
import { LabHome } from './lab-home.ts'
import { type Connected, percentile, reconnect } from './measure.ts'
import type { Topology } from './topology.ts'

/** Builds it, pairs, restarts each camera `tries` times. False when a try failed or went a way that it must not. */
export async function tryTopology(topology: Topology, tries: number, print: (line: string) => void): Promise<boolean> {
  const { name, about, best, onTheWay = [] } = topology
  print(`${name}: ${about}; best path ${best}`)
  const lab = await Lab.create(topology)
  const home = new LabHome(lab)
  const good: Connected[] = []
  let tried = 0
  try {
    await home.start()
    for (let number = 1; number <= tries; number += 1) {
      for (const camera of home.cameras) {
        tried += 1
        const connected = await once(home, camera, (line) => print(`  try ${number}, ${camera}: ${line}`))
        if (connected?.paths.every((path) => path === best || onTheWay.includes(path))) good.push(connected)
      }
    }
  } catch (error) {
    if (!isHomewardError(error)) throw error
    print(`  ${errorLine(error)}`)
  } finally {
    await home.close()
    lab.close()
  }
  print(`  ${summary(good, tried)}`)
  return tried > 0 && good.length === tried
}

/** Undefined when it did not get through. */
async function once(home: LabHome, camera: string, print: (line: string) => void): Promise<Connected | undefined> {
  try {
    const { best, searchedWithinMs: withinMs } = home.lab.topology
    const connected = await reconnect(home, camera, withinMs === undefined ? {} : { on: best, withinMs })
    print(describe(connected))
    return connected
  } catch (error) {
    if (!isHomewardError(error)) throw error
    print(`FAILED: ${errorLine(error)}`)
    return undefined
  }
}

function describe({ paths, upMs, connectedMs, ackedMs, onMs }: Connected): string {
  const ms = (value: number) => `${Math.round(value)} ms`
  const searched = onMs > 0 ? `, ${paths.at(-1)} ${ms(onMs)}` : ''
  return `${paths.join(', then ')}; up ${ms(upMs)}, connected ${ms(connectedMs)}, first ACK ${ms(ackedMs)}${searched}, on disk`
}

function summary(good: readonly Connected[], tried: number): string {
  if (tried === 0) return 'not one camera was paired'
  const counts = new Map<string, number>()
  for (const { first } of good) counts.set(first, (counts.get(first) ?? 0) + 1)
  const paths = [...counts].map(([path, count]) => `${path} ${count}`).join(', ')
  const spread = (pick: (one: Connected) => number) => {
    const values = good.map(pick)
    return `p50 ${Math.round(percentile(values, 0.5))} ms, p95 ${Math.round(percentile(values, 0.95))} ms`
  }
  let times = `connected ${spread((one) => one.connectedMs)}; first ACK ${spread((one) => one.ackedMs)}`
  const searched = good.filter(({ onMs }) => onMs > 0)
  if (searched.length > 0) {
    const first = searched.filter(({ connectedMs, onMs }) => onMs < connectedMs + SEARCH_AGAIN_MS[0])
    times += `; ${searched[0]?.paths.at(-1)} ${spread((one) => one.onMs)}, by the first search ${first.length}`
  }
  return `${good.length} of ${tried} got through as expected${good.length === 0 ? '' : `: ${paths}; ${times}`}`
}
