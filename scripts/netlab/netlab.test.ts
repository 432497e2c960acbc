// time-out: 600 s
/**
 * The real programs in every topology of the lab: a paired camera finds its storage device, on the best path there is.
 */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Lab } from './lab.ts'
import { labTest } from './lab-fixture.ts'
import { LabHome } from './lab-home.ts'
import { reconnect } from './measure.ts'
import { TOPOLOGIES } from './topologies.ts'

for (const topology of TOPOLOGIES) {
  const { name, best, onTheWay = [], searchedWithinMs = 60_000 } = topology
  labTest(`${name}: a camera ends on path ${best}`, async () => {
    const lab = await Lab.create(topology)
    const home = new LabHome(lab)
    try {
      await home.start()
      for (const camera of home.cameras) {
        const { paths } = await reconnect(home, camera, { on: best, withinMs: searchedWithinMs })
        for (const path of paths) assert.ok([best, ...onTheWay].includes(path), `${camera} was on ${path}`)
      }
    } finally {
      await home.close()
      lab.close()
    }
  })
}

test.run()
