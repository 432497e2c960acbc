// time-out: 120 s
/**
 * What stands on a card is sealed, in the real programs: it gives nothing of a picture away, and what somebody changed on it
 * is refused by name and holds nothing up.
 */
import { randomBytes } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createIdentity } from '../link/identity.ts'
import { readBoxes } from '../media/boxes.ts'
import { ffmpegTest } from '../media/sample-streams.ts'
import {
  acked,
  finish,
  homeTest,
  kill,
  logOf,
  pileUp,
  recordOf,
  type ShownStatus,
  SOURCE,
  say,
  upTo,
  waitingIn,
} from './card-home-fixture.ts'
import { cardRecords, fingerprint, putOnCard, storedSeqs } from './cards-fixture.ts'

/** Frame data that is looked for on a card, and how far apart. */
const SAMPLE_BYTES = 32
const SAMPLE_EVERY_BYTES = 97

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
