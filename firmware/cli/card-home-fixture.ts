/** A home for tests of cards: what they do to it again and again, and what must hold of it at the end. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { containsRange } from '../wire/ranges.ts'
import {
  type Books,
  type CardRecord,
  cardRecords,
  fragmentFaults,
  markedSafe,
  readBooks,
  settledOf,
} from './cards-fixture.ts'
import { type CameraStatus, TestHome } from './test-home.ts'

const GOP = 5
export const SOURCE = `fake:fps=50,gop=${GOP},size=128x64,bitrate=400000`

export const upTo = (count: number) => Array.from({ length: count }, (_, seq) => seq)
export const say = (text: string) => process.stdout.write(`${text}\n`)

export function homeTest(
  name: string,
  run: (home: TestHome) => Promise<void>,
  add: (name: string, run: () => Promise<void>) => void = test,
): void {
  add(name, async () => {
    const home = await TestHome.create()
    try {
      await home.startServer()
      await home.startStorage()
      await run(home)
    } finally {
      await home.close()
    }
  })
}

/** With why the card is not used. */
export type ShownStatus = CameraStatus & { readonly ring: { readonly problem?: string } }

export const waitingIn = ({ seq }: CameraStatus) => seq.captured - seq.acked

/** Until so many fragments of this life of the camera are safe. */
export const acked = (home: TestHome, camera: string, count: number) =>
  home.until(camera, `${count} ACKed`, ({ seq }) => seq.acked >= count)

/** Stops the storage device and films on until so many fragments wait on the card. */
export async function pileUp(home: TestHome, camera: string, count: number): Promise<CameraStatus> {
  await home.program('storage').stop()
  return home.until(camera, `${count} waiting`, (status) => waitingIn(status) >= count)
}

export async function kill(home: TestHome, name: string): Promise<void> {
  const program = home.program(name)
  program.signal('SIGKILL')
  await program.exited
}

/** Ends filming in good order; afterwards all that this camera ever captured is settled, and its card says the same. */
export async function finish(
  home: TestHome,
  camera: string,
  flags: { readonly card: boolean } = { card: true },
): Promise<Books> {
  const { seq } = await home.drain(camera)
  assert.is(seq.acked, seq.captured, 'every fragment of this life is ACKed')
  const [ring] = (await home.program(camera).call('ring')) as { log: string }[]
  await home.program(camera).stop()
  const books = await readBooks(home)
  assert.equal(fragmentFaults(books, GOP), [])
  const run = books.fragments.find(({ log }) => log === ring?.log)?.runId
  assert.is(books.fragments.filter(({ runId }) => runId === run).length, seq.acked, 'what it counts as ACKed is stored')
  if (!flags.card) return books
  const marked = await markedSafe(home.ring(camera))
  assert.ok(marked.size > 0, 'the card has a mark')
  for (const [log, ranges] of marked) {
    const settled = settledOf(books, log)
    for (const [first, last] of ranges) {
      assert.ok(containsRange(settled, first, last), `the card takes ${log}/${first} to ${last} for safe`)
    }
  }
  for (const { header, whole } of await cardRecords(home.ring(camera))) {
    const { log, seq: first, span, kind } = header
    if (whole) assert.ok(containsRange(settledOf(books, log), first, first + span - 1), `${kind} ${log}/${first}`)
  }
  return books
}

/** The one log of the records, and the highest number in it. */
export function logOf(records: readonly CardRecord[]): { readonly log: string; readonly last: number } {
  const logs = new Set(records.map(({ header }) => header.log))
  assert.is(logs.size, 1, 'one log so far')
  return { log: [...logs][0] ?? '', last: Math.max(...records.map(({ header }) => header.seq)) }
}

export function recordOf(records: readonly CardRecord[], seq: number): CardRecord {
  const record = records.find(({ header }) => header.seq === seq)
  if (record === undefined) throw new Error(`no record ${seq} on the card`)
  return record
}
