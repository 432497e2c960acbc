// time-out: 240 s
/**
 * Cards that are cut, garbled, restored, swapped, forged or not there at all, in the real programs: what the storage device
 * calls safe it holds or has in its ledger, and everything that could be read is there exactly once.
 */
import { randomBytes } from 'node:crypto'
import { readdir, readFile, rename, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { BLOCK_BYTES } from '../camera/ring/card-record.ts'
import { createIdentity } from '../link/identity.ts'
import { readBoxes } from '../media/boxes.ts'
import { ffmpegTest } from '../media/sample-streams.ts'
import { isHomewardError } from '../wire/errors.ts'
import { containsRange } from '../wire/ranges.ts'
import {
  type Books,
  type CardRecord,
  cardRecords,
  fingerprint,
  fragmentFaults,
  ledgerOf,
  markedSafe,
  overwrite,
  putOnCard,
  readBooks,
  settledOf,
  storedSeqs,
} from './cards-fixture.ts'
import { runProgram } from './media-fixture.ts'
import { type CameraStatus, TestHome } from './test-home.ts'

const GOP = 5
const SOURCE = `fake:fps=50,gop=${GOP},size=128x64,bitrate=400000`

/** Frame data that is looked for on a card, and how far apart. */
const SAMPLE_BYTES = 32
const SAMPLE_EVERY_BYTES = 97

const upTo = (count: number) => Array.from({ length: count }, (_, seq) => seq)
const say = (text: string) => process.stdout.write(`${text}\n`)

function homeTest(
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
type ShownStatus = CameraStatus & { readonly ring: { readonly problem?: string } }

const waitingIn = ({ seq }: CameraStatus) => seq.captured - seq.acked

/** Until so many fragments of this life of the camera are safe. */
const acked = (home: TestHome, camera: string, count: number) =>
  home.until(camera, `${count} ACKed`, ({ seq }) => seq.acked >= count)

/** Stops the storage device and films on until so many fragments wait on the card. */
async function pileUp(home: TestHome, camera: string, count: number): Promise<CameraStatus> {
  await home.program('storage').stop()
  return home.until(camera, `${count} waiting`, (status) => waitingIn(status) >= count)
}

async function kill(home: TestHome, name: string): Promise<void> {
  const program = home.program(name)
  program.signal('SIGKILL')
  await program.exited
}

/** Ends filming in good order; afterwards all that this camera ever captured is settled, and its card says the same. */
async function finish(
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
function logOf(records: readonly CardRecord[]): { readonly log: string; readonly last: number } {
  const logs = new Set(records.map(({ header }) => header.log))
  assert.is(logs.size, 1, 'one log so far')
  return { log: [...logs][0] ?? '', last: Math.max(...records.map(({ header }) => header.seq)) }
}

function recordOf(records: readonly CardRecord[], seq: number): CardRecord {
  const record = records.find(({ header }) => header.seq === seq)
  if (record === undefined) throw new Error(`no record ${seq} on the card`)
  return record
}

homeTest(
  'a cut and garbled tail: what is left arrives, what is lost is in the ledger, nothing else is',
  async (home) => {
    await home.startCamera('camera', SOURCE)
    await home.pair('camera')
    await acked(home, 'camera', 5)
    await pileUp(home, 'camera', 20)
    await kill(home, 'camera')

    const dir = home.ring('camera')
    const before = await cardRecords(dir)
    const { log, last } = logOf(before)
    // The last record is torn in the middle and the slab's file ends there; two before it are noise; one more has a bad bit.
    const torn = recordOf(before, last)
    for (const seq of [last - 2, last - 3]) {
      const { slab, offset, bytes } = recordOf(before, seq)
      await overwrite(slab, offset, randomBytes(Math.ceil(bytes.byteLength / BLOCK_BYTES) * BLOCK_BYTES))
    }
    const flipped = recordOf(before, last - 6)
    await overwrite(flipped.slab, flipped.offset + 2000, Uint8Array.of(~(flipped.bytes[2000 - 16] ?? 0)))
    await truncate(torn.slab, torn.offset + BLOCK_BYTES)
    const lost = [last - 6, last - 3, last - 2]

    await home.startStorage()
    await home.startCamera('camera', SOURCE)
    await acked(home, 'camera', 10)
    const books = await finish(home, 'camera')
    const whole = upTo(last).filter((seq) => !lost.includes(seq))
    assert.equal(
      storedSeqs(books, log).toSorted((a, b) => a - b),
      whole,
      'every record that was not hit',
    )
    const entered = ledgerOf(books, log)
    assert.ok(entered.every(({ kind, reason }) => kind === 'gap' && reason === 'damaged-on-card'))
    const numbers = entered.flatMap(({ first, last: end }) => upTo(end - first + 1).map((at) => first + at))
    // Of the torn one nobody can know that it was ever written to its end.
    assert.equal(
      numbers.filter((seq) => seq !== last).toSorted((x, y) => x - y),
      lost,
      'what was hit is in the ledger',
    )
    const later = [...new Set(books.fragments.map((fragment) => fragment.log))].filter((other) => other !== log)
    assert.is(later.length, 1)
    assert.equal(storedSeqs(books, later[0] ?? ''), upTo(storedSeqs(books, later[0] ?? '').length))
    say(`cut and garbled: ${whole.length} of ${last + 1} stored, ${lost.length} in the ledger, 1 torn`)
  },
)

homeTest('an older copy of the card: nothing is taken for what came after it', async (home) => {
  const dir = home.ring('camera')
  await home.startCamera('camera', SOURCE)
  await home.pair('camera')
  await acked(home, 'camera', 5)
  await pileUp(home, 'camera', 10)
  await kill(home, 'camera')
  const first = logOf(await cardRecords(dir))
  const copy = `${dir}.copy`
  const copied = await runProgram('cp', ['-a', '--sparse=always', dir, copy])
  assert.is(copied.status, 0, copied.stderr)

  await home.startStorage()
  await home.startCamera('camera', SOURCE)
  await acked(home, 'camera', 15)
  // What waits now is on the newer card only, and goes with it.
  await pileUp(home, 'camera', 10)
  await kill(home, 'camera')
  const second = (await cardRecords(dir)).map(({ header }) => header).filter(({ log }) => log !== first.log)
  await rm(dir, { recursive: true })
  await rename(copy, dir)

  await home.startStorage()
  await home.startCamera('camera', SOURCE)
  await acked(home, 'camera', 30)
  const books = await finish(home, 'camera')
  const logs = [...new Set(books.fragments.map(({ log }) => log))]
  assert.is(logs.length, 3, 'every opening of the card has a log of its own')
  assert.equal(storedSeqs(books, first.log), upTo(first.last + 1), 'what the copy held is there once')
  const kept = storedSeqs(books, second[0]?.log ?? '')
  assert.equal(kept, upTo(kept.length))
  assert.ok(kept.length >= 15 && kept.length < second.length, `${kept.length} of ${second.length} of the second log`)
  const third = logs.find((log) => log !== first.log && log !== second[0]?.log) ?? ''
  assert.equal(storedSeqs(books, third), upTo(storedSeqs(books, third).length), 'what came after it is new')
  assert.equal(books.ledger, [], 'nothing else is said')
  say(
    `older copy: ${first.last + 1} + ${kept.length} (of ${second.length}) + ${storedSeqs(books, third).length} stored`,
  )
})

homeTest(
  "another camera's card is not written, filming goes on from memory, and both cards come home",
  async (home) => {
    for (const name of ['one', 'two']) {
      await home.startCamera(name, SOURCE)
      await home.pair(name)
      await acked(home, name, 5)
    }
    await pileUp(home, 'one', 10)
    for (const name of ['one', 'two']) await kill(home, name)
    const [one, two, aside] = [home.ring('one'), home.ring('two'), join(home.folder, 'aside')]
    const onCards = { one: await cardRecords(one), two: await cardRecords(two) }
    await rename(two, aside)
    await rename(one, two)
    const before = await fingerprint(two)

    await home.startStorage()
    await home.startCamera('two', SOURCE)
    const status = (await acked(home, 'two', 10)) as ShownStatus
    assert.is(status.ring.card, 'gone')
    assert.match(status.ring.problem ?? '', /belongs to camera/)
    assert.is(await fingerprint(two), before, 'nothing was written to it')

    await rename(two, one)
    await rename(aside, two)
    await home.until('two', 'on its card again', ({ ring }) => ring.card === 'ok')
    await home.startCamera('one', SOURCE)
    await acked(home, 'one', 5)
    await acked(home, 'two', status.seq.acked + 5)
    await finish(home, 'one')
    // The life of camera two that began in memory has two logs: its frames go on from the one to the other.
    await home.drain('two')
    await home.program('two').stop()
    const books = await readBooks(home)
    for (const records of Object.values(onCards)) {
      const { log, last } = logOf(records)
      assert.equal(storedSeqs(books, log), upTo(last + 1), 'what was on the card before')
    }
    const runs = new Map<string, number[]>()
    for (const { runId, frames } of books.fragments) runs.set(runId, [...(runs.get(runId) ?? []), ...frames])
    for (const frames of runs.values())
      assert.equal(
        frames.toSorted((a, b) => a - b),
        upTo(frames.length),
      )
    assert.is(runs.size, 4)
    assert.equal(books.ledger, [])
    say(`swapped: ${books.fragments.length} fragments of 4 camera lives, the foreign card untouched`)
  },
)

homeTest("a camera that never had a card refuses another one's and says so", async (home) => {
  await home.startCamera('one', SOURCE)
  await home.pair('one')
  await acked(home, 'one', 5)
  await kill(home, 'one')
  const before = await fingerprint(home.ring('one'))
  await home.startCamera('new', SOURCE, ['--ring', home.ring('one')])
  const refused = await home.pair('new').then(
    () => undefined,
    (error: unknown) => error,
  )
  assert.ok(isHomewardError(refused, 'RING_FOREIGN'), String(refused))
  assert.match(refused.message, /belongs to camera/)
  assert.ok((refused.hint ?? '').length > 0)
  await home.program('new').stop()
  const again = await home.startCamera('new', SOURCE, ['--ring', home.ring('one')]).then(
    () => '',
    (error: unknown) => String(error),
  )
  assert.match(again, /belongs to camera/, 'the program ends with the reason')
  assert.is((await home.program('new').exited).status, 1)
  assert.is(await fingerprint(home.ring('one')), before, 'nothing was written to it')
})

homeTest('a camera without a card: memory is sent once, and what was lost with it is not called safe', async (home) => {
  const memory = ['--ring', 'none']
  await home.startCamera('camera', SOURCE, memory)
  await home.pair('camera')
  await acked(home, 'camera', 5)
  await pileUp(home, 'camera', 10)
  await home.startStorage()
  await acked(home, 'camera', 25)

  const killed = await pileUp(home, 'camera', 10)
  await kill(home, 'camera')
  await home.startCamera('camera', SOURCE, memory)
  const stopped = await home.until('camera', '10 waiting', (status) => waitingIn(status) >= 10)
  await home.program('camera').stop()
  await home.startCamera('camera', SOURCE, memory)
  await home.startStorage()
  await acked(home, 'camera', 20)
  const books = await finish(home, 'camera', { card: false })
  const logs = [...new Set(books.fragments.map(({ log }) => log))]
  assert.is(logs.length, 2, 'the second life sent nothing')
  const [first = [], last = []] = logs.map((log) => storedSeqs(books, log).toSorted((a, b) => a - b))
  assert.equal(first, upTo(first.length))
  assert.ok(first.length >= killed.seq.acked && first.length < killed.seq.captured, `${first.length} of the first life`)
  // The second life ended in good order and left a note of what it lost: the third one enters it.
  const [gap, ...others] = books.ledger
  assert.equal([gap?.kind, gap?.reason, gap?.log, gap?.first, others], ['gap', 'never-sent', logs[1], 0, []])
  const missed = (gap?.last ?? 0) + 1
  assert.ok(
    missed >= stopped.seq.captured && missed <= stopped.seq.captured + 5,
    `${missed} of ${stopped.seq.captured}`,
  )
  assert.equal(
    last,
    upTo(last.length).map((seq) => seq + missed),
  )
  say(
    `no card: ${first.length} + ${last.length} stored, ${killed.seq.captured - first.length} gone with a kill, gap of ${missed}`,
  )
})

/** Byte ranges of fragments that a reader of plain footage would find: 32 bytes here and there in every frame's data. */
function samplesOf(mp4: Uint8Array): Uint8Array[] {
  const samples: Uint8Array[] = []
  for (const { type, body } of readBoxes(mp4, { openEnd: true })) {
    if (type !== 'mdat') continue
    for (let at = 16; at + SAMPLE_BYTES <= body.byteLength; at += SAMPLE_EVERY_BYTES) {
      samples.push(body.subarray(at, at + SAMPLE_BYTES))
    }
  }
  return samples
}

/** The codec's own headers, as they stand in the sample entry: profile and level, then SPS and PPS. */
function parameterSets(mp4: Uint8Array): Uint8Array[] {
  const view = Buffer.from(mp4)
  const at = view.indexOf('avcC') + 4
  const spsBytes = view.readUInt16BE(at + 6)
  const sps = view.subarray(at + 8, at + 8 + spsBytes)
  const ppsAt = at + 8 + spsBytes + 3
  return [sps, view.subarray(ppsAt, ppsAt + view.readUInt16BE(ppsAt - 2))]
}

/** Everything in a folder, without the zeros that no file system wrote. */
async function contentsOf(dir: string): Promise<Buffer> {
  const files: Buffer[] = []
  for (const name of await readdir(dir, { recursive: true })) {
    const path = join(dir, name)
    if (!(await stat(path)).isFile()) continue
    const bytes = await readFile(path)
    let end = bytes.byteLength
    while (end > 0 && bytes[end - 1] === 0) end--
    files.push(bytes.subarray(0, end))
  }
  return Buffer.concat(files)
}

homeTest(
  'neither the card nor the state of a camera holds anything of a picture',
  async (home) => {
    const cameras = { x264: 'test:size=160x96,fps=20,gop=10', fake: SOURCE }
    for (const [name, source] of Object.entries(cameras)) {
      await home.startCamera(name, source)
      await home.pair(name)
    }
    await home.program('storage').stop()
    for (const name of Object.keys(cameras)) await home.until(name, '10 waiting', (status) => waitingIn(status) >= 10)
    const kept = new Map<string, Buffer>()
    for (const name of Object.keys(cameras)) {
      await home.program(name).stop()
      const folders = [home.ring(name), home.program(name).state]
      kept.set(name, Buffer.concat(await Promise.all(folders.map(contentsOf))))
    }
    await home.startStorage()
    for (const [name, source] of Object.entries(cameras)) {
      const logs = new Set((await cardRecords(home.ring(name))).map(({ header }) => header.log))
      await home.startCamera(name, source)
      await acked(home, name, 1)
      await home.drain(name)
      const bytes = kept.get(name) ?? Buffer.alloc(0)
      assert.ok(bytes.byteLength > 20_000 && logs.size === 1, `${name}: ${bytes.byteLength} bytes on the card`)
      const clips = (await home.clips()).filter((path) => [...logs].some((log) => path.includes(log)))
      assert.ok(clips.length > 0, 'what was on the card has arrived')
      let samples = 0
      for (const path of clips) {
        const mp4 = new Uint8Array(await readFile(path))
        const wanted = [...samplesOf(mp4), ...parameterSets(mp4)]
        samples += wanted.length
        const found = wanted.filter((sample) => bytes.indexOf(sample) >= 0)
        assert.equal(found, [], `${name}: bytes of frames or parameter sets`)
        // Four bytes come up by themselves once in 4 GB; in the plain they would be there with every fragment.
        for (const word of ['ftyp', 'moov', 'moof', 'mdat', 'avcC']) {
          assert.ok(Buffer.from(mp4).includes(word), `${word} is what to look for`)
          const at = bytes.indexOf(word)
          assert.ok(at === -1 || bytes.indexOf(word, at + 1) === -1, `${name}: ${word}`)
        }
      }
      assert.ok(samples > 200, `${name}: ${samples} samples`)
      say(`${name}: ${bytes.byteLength} bytes on card and in state, none of ${samples} samples found`)
    }
  },
  ffmpegTest,
)

/** Where the fields of a record's header are (wire/record.ts). */
const AT = {
  kind: 5,
  camera: 8,
  log: 40,
  span: 56,
  duration: 88,
  recipient: 104,
  wrappedKey: 136,
  signature: 216,
  nonce: 280,
  length: 304,
}

const GAP_KIND = 2

function flipped(record: Uint8Array, at: number): Uint8Array {
  const copy = record.slice()
  copy[at] = ~(copy[at] ?? 0)
  return copy
}

function withBytes(record: Uint8Array, at: number, bytes: Uint8Array): Uint8Array {
  const copy = record.slice()
  copy.set(bytes, at)
  return copy
}

function withNumber(record: Uint8Array, at: number, value: number): Uint8Array {
  const copy = record.slice()
  new DataView(copy.buffer, copy.byteOffset).setUint32(at, value, true)
  return copy
}

/** What is done to a record, with the card's checksums put right, and what the storage device says of it. */
const FORGERIES: readonly (readonly [what: string, code: string, forge: (record: Uint8Array) => Uint8Array])[] = [
  ['payload', 'RECORD_DAMAGED', (record) => flipped(record, 1000)],
  ['duration', 'RECORD_DAMAGED', (record) => flipped(record, AT.duration)],
  ['nonce', 'RECORD_DAMAGED', (record) => flipped(record, AT.nonce)],
  ['signature', 'RECORD_FORGED', (record) => flipped(record, AT.signature)],
  ['wrapped key', 'RECORD_FORGED', (record) => flipped(record, AT.wrappedKey)],
  ['recipient', 'RECORD_MISADDRESSED', (record) => withBytes(record, AT.recipient, createIdentity().publicKey)],
  ['log', 'RECORD_FORGED', (record) => withBytes(record, AT.log, randomBytes(8))],
  [
    'truncated',
    'RECORD_DAMAGED',
    (record) => withNumber(record, AT.length, record.byteLength - 312 - 100).subarray(0, record.byteLength - 100),
  ],
]

homeTest('forged, truncated and re-addressed records are refused by name and hold nothing up', async (home) => {
  const dir = home.ring('camera')
  await home.startCamera('camera', SOURCE)
  await home.pair('camera')
  await acked(home, 'camera', 3)
  await pileUp(home, 'camera', 2 * FORGERIES.length + 6)
  await kill(home, 'camera')
  const records = await cardRecords(dir)
  const { log, last } = logOf(records)
  const forged = new Map<number, { readonly what: string; readonly code: string; readonly record: Uint8Array }>()
  for (const [index, [what, code, forge]] of FORGERIES.entries()) {
    const seq = last - 2 - 2 * index
    const target = recordOf(records, seq)
    const record = forge(target.bytes)
    await putOnCard(target, record)
    forged.set(seq, { what, code, record })
  }
  // And a gap that says it covers its neighbours: were it sent, they would be settled with it.
  const spread = last - 2 - 2 * FORGERIES.length
  const target = recordOf(records, spread)
  await putOnCard(target, withNumber(withBytes(target.bytes, AT.kind, Uint8Array.of(GAP_KIND)), AT.span, 4))

  await home.startCamera('camera', SOURCE)
  await home.startStorage()
  await acked(home, 'camera', 10)
  const books = await finish(home, 'camera')
  const whole = upTo(last + 1).filter((seq) => !forged.has(seq) && seq !== spread)
  assert.equal(
    storedSeqs(books, log).toSorted((a, b) => a - b),
    whole,
    'every other record of the log',
  )
  for (const [seq, { what, code, record }] of forged) {
    const line = books.ledger.find(({ first, kind }) => kind === 'quarantine' && first === seq)
    assert.is(line?.last, seq, what)
    assert.ok(line?.reason.startsWith(`${code}: `), `${what}: ${line?.reason}`)
    assert.equal(new Uint8Array(await readFile(join(home.disk, line?.path ?? ''))), record, `${what}: kept as it came`)
  }
  // The one that names another log leaves its own number behind, and that other log seems to miss what comes before it.
  const [moved = 0] = [...forged].flatMap(([seq, { what }]) => (what === 'log' ? [seq] : []))
  const other = books.ledger.find(({ kind, first }) => kind === 'quarantine' && first === moved)?.log ?? ''
  const gaps = books.ledger.filter(({ kind }) => kind !== 'quarantine')
  assert.is(books.ledger.length - gaps.length, forged.size)
  const wanted = [`${log}/${moved}-${moved}`, `${log}/${spread}-${spread}`, `${other}/0-${moved - 1}`]
  const entered = gaps.map((gap) => `${gap.log}/${gap.first}-${gap.last}`)
  assert.equal(entered.toSorted(), wanted.toSorted())
  assert.ok(gaps.every(({ kind, reason }) => kind === 'gap' && reason === 'damaged-on-card'))
  const said = await readFile(home.program('storage').log, 'utf8')
  for (const { code } of forged.values()) assert.ok(said.includes(`"code":"${code}"`), `the log says ${code}`)
  say(`forged: ${whole.length} of ${last + 1} stored, ${forged.size} in quarantine by name`)
})

homeTest('a card with a record that names another camera is left alone until it is right again', async (home) => {
  const dir = home.ring('camera')
  await home.startCamera('camera', SOURCE)
  await home.pair('camera')
  await acked(home, 'camera', 3)
  await pileUp(home, 'camera', 10)
  await kill(home, 'camera')
  const records = await cardRecords(dir)
  const { log, last } = logOf(records)
  const target = recordOf(records, last - 5)
  await putOnCard(target, withBytes(target.bytes, AT.camera, createIdentity().publicKey))
  const before = await fingerprint(dir)

  await home.startCamera('camera', SOURCE)
  await home.startStorage()
  const { ring, seq } = (await acked(home, 'camera', 10)) as ShownStatus
  assert.is(ring.card, 'gone')
  assert.match(ring.problem ?? '', /another camera/)
  assert.is(await fingerprint(dir), before, 'nothing was written to it')
  await putOnCard(target, target.bytes)
  await home.until('camera', 'on its card again', (status) => status.ring.card === 'ok')
  await acked(home, 'camera', seq.acked + 5)
  const books = await finish(home, 'camera')
  assert.equal(storedSeqs(books, log), upTo(last + 1), 'what was on the card before')
  assert.equal(books.ledger, [])
})

test.run()
