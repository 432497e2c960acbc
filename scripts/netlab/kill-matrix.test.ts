// time-out: 3600 s
/**
 * The kill matrix: camera, storage device, P2P server and the relay in it are killed, stopped for 20 s and cut off, while
 * nothing happens, while the camera streams and while it sends a backlog; real programs in labs. Afterwards every frame that
 * the fake encoder numbered is stored once, or in the ledger for a reason there was, and `storage verify --deep` agrees.
 * HOMEWARD_MATRIX=all: every cell; any other word: those whose name contains it.
 */
import { test } from 'uvu'
import { CELLS, type Cell, cellName, strike } from './kill-cells-fixture.ts'
import { labTest } from './lab-fixture.ts'

/** Of each victim, blow and load something. */
const SAMPLE = [
  'camera-kill-backlog',
  'storage-kill-live',
  'server-cut-live',
  'relay-kill-backlog',
  'storage-stop-idle',
]
/** Four processes each, which wait for the most part. */
const LABS_AT_ONCE = 5

const wanted = process.env.HOMEWARD_MATRIX ?? ''
const cells = CELLS.map((cell) => ({ cell, name: cellName(cell) })).filter(({ name }) =>
  wanted === '' ? SAMPLE.includes(name) : wanted === 'all' || name.includes(wanted),
)

let running = 0
const waiting: (() => void)[] = []
const results = new Map<string, Promise<string>>()

/** Each when its turn comes; a failure is told by the test that waits for it. */
function struck(name: string): Promise<string> {
  if (results.size === 0) {
    for (const { cell, name } of cells) {
      const result = inTurn(cell)
      result.catch(() => undefined)
      results.set(name, result)
    }
  }
  return results.get(name) ?? Promise.reject(new Error(`${name} was not begun`))
}

async function inTurn(cell: Cell): Promise<string> {
  if (running >= LABS_AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve))
  running += 1
  try {
    return await strike(cell)
  } finally {
    running -= 1
    waiting.shift()?.()
  }
}

for (const { name } of cells) {
  labTest(name, async () => {
    process.stdout.write(`${name}: ${await struck(name)}\n`)
  })
}

test.run()
