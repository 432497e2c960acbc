/**
 * Power cuts while an update is written: the emulator is killed at HOMEWARD_CUTS moments (by default 2), from the first byte of the slot on
 * the disk to the boot text that keeps the new system, chosen by HOMEWARD_SEED; HOMEWARD_CUTS_ONLY=7,3 takes these of them. After each the
 * device starts, from the old slot or the new one, with its settings, its pairing and everything that was on the card.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatSetupCode } from '../../firmware/link/setup-code.ts'
import { formatUid } from '../../firmware/link/uid.ts'
import { seededRandom } from '../../firmware/platform/random.ts'
import { imageFolder } from '../image/places.ts'
import { makeBundle } from '../ota/bundle.ts'
import { updateKey } from '../ota/key.ts'
import { BootText } from './boot-text.ts'
import { type CutMoment, cutMoments, momentText } from './cut-moments.ts'
import { CAMERA, Device, START_WITHIN_MS } from './device.ts'
import { Network } from './network.ts'
import { Sender } from './sender.ts'

const CUTS = Number(process.env.HOMEWARD_CUTS ?? 2)
const SEED = Number(process.env.HOMEWARD_SEED ?? Date.now() % 1_000_000)
const ONLY = process.env.HOMEWARD_CUTS_ONLY?.split(',').map(Number)
const SLOT_BYTES = 224 * 2 ** 20
/** The slot's last bytes reach the disk together with the first of what follows. */
const LAST_BYTES = 2 ** 20
/** What the system writes by itself now and then. */
const NOISE_BYTES = 256 * 1024
const LOOK_EVERY_MS = 20
/** The device takes a hundred times as long from one copy to the other; the boot loader does not. */
const LOOK_CLOSELY_MS = 1
const MOMENT_WITHIN_MS = 900_000
/** Two fragments a second of a few kilobytes: the ring and not the picture is what is tried here. */
const SETTINGS = 'source = "fake:fps=2,gop=2"\n'

const image = join(imageFolder(CAMERA.board), 'slot.ext4')
const trouble = !existsSync(image)
  ? `there is no image of ${CAMERA.board}: make BOARD=${CAMERA.board} image`
  : process.getuid?.() === 0
    ? undefined
    : 'only root may make the bridge that the virtual device is on'
if (trouble !== undefined) {
  process.stdout.write(`skipped: ${trouble}\n`)
  process.exit(0)
}

const folder = mkdtempSync(join(tmpdir(), 'homeward-cuts-'))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
const network = new Network([CAMERA.tap], folder)
const sender = new Sender(network, folder)
const camera = new Device(CAMERA, network, folder)
const disk = join(folder, CAMERA.tap, 'system.img')
const say = (text: string) => process.stderr.write(`${(performance.now() / 1000).toFixed(0)} s  ${text}\n`)
const outcomes: string[] = []

const { publicKey } = generateKeyPairSync('ed25519')
const storage = new Uint8Array(Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url'))
let uid: unknown
let onCard = 0
let update: Uint8Array = new Uint8Array()

/** What must have outlived every cut. */
async function assertKept(): Promise<void> {
  assert.is(await camera.console.run('cat /data/homeward/settings.toml; cat /data/homeward/mark'), `${SETTINGS}kept`)
  const seen = await camera.until(
    'camera status',
    (answer) => {
      const waiting = (answer.ledger as { onCard?: number } | undefined)?.onCard ?? 0
      const isOpen = (answer.ring as { card?: string } | undefined)?.card === 'ok'
      return isOpen && waiting >= onCard && waiting > 0 ? { answer, waiting } : undefined
    },
    START_WITHIN_MS,
  )
  assert.is(seen.answer.storage, formatUid(storage))
  assert.is(seen.answer.uid, uid)
  onCard = seen.waiting
}

/** Where a test before left the machine in a state that answers nobody, this one begins anew. */
async function awake(): Promise<void> {
  try {
    await camera.console.run('true', 60_000)
  } catch {
    await camera.cut()
    camera.console.forget()
    say(`does not answer, started again after ${((await camera.start()) / 1000).toFixed(0)} s`)
  }
}

/** Until the service that looks after updates has made both copies alike again. */
async function mended(): Promise<void> {
  const text = new BootText(disk)
  for (let turn = 0; !text.areAlike(); turn++) {
    if (turn === 60) throw new Error('the copies of the boot text still differ')
    await new Promise((resolve) => setTimeout(resolve, 1000))
  }
  text.close()
}

const slotNow = () => camera.console.run('homeward-slot current')

/** Until nothing is on trial any more, however often it starts until then; the slot that stays. */
async function settled(): Promise<string> {
  const until = performance.now() + 2 * START_WITHIN_MS
  while (performance.now() < until) {
    const asked = 'echo "$(homeward-slot trial) $(homeward-slot pending) $(homeward-slot current)"'
    const said = await camera.console.run(asked).catch(() => '')
    const slot = /^no no ([AB])$/.exec(said)?.[1]
    if (slot !== undefined) return slot
    await new Promise((resolve) => setTimeout(resolve, 2000))
  }
  throw new Error('a trial did not end')
}

function slotText(old: string, started: string, last: string): string {
  if (started === old) return `old slot ${old}`
  return last === started ? `new slot ${started}` : `new slot ${started} on trial, then old slot ${last}`
}

/** Until the power shall go. */
async function reached(moment: CutMoment, text: BootText): Promise<void> {
  const until = performance.now() + MOMENT_WITHIN_MS
  const look = async (isNow: () => boolean | Promise<boolean>, pause: () => Promise<unknown>) => {
    while (!(await isNow())) {
      if (performance.now() > until) throw new Error(`${momentText(moment)}: did not come`)
      await pause()
    }
  }
  const soon = () => new Promise((resolve) => setImmediate(resolve))
  const closely = () => new Promise((resolve) => setTimeout(resolve, LOOK_CLOSELY_MS))
  const later = () => new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  if (moment.at === 'write') {
    const written = async () =>
      Number(/^system: .*?wr_bytes=(\d+)/m.exec(await camera.machine.monitor('info blockstats'))?.[1])
    const from = await written()
    const enough = Math.min(Math.max(moment.share * SLOT_BYTES, NOISE_BYTES), SLOT_BYTES - LAST_BYTES)
    // Whatever comes first.
    return look(async () => text.changed(0) || (await written()) - from >= enough, later)
  }
  await look(() => text.changed(0), closely)
  if (moment.at === 'first copy') return
  await look(() => text.changed(1), closely)
  if (moment.at === 'second copy') return
  text.note()
  camera.console.forget()
  await camera.console.seen(/U-Boot 20/, START_WITHIN_MS)
  await look(() => text.changed(0), soon)
  if (moment.at === 'loader') return
  await camera.console.seen(/homeward: started \S+ for \S+, slot/, START_WITHIN_MS)
  if (moment.at === 'trial') return void (await new Promise((resolve) => setTimeout(resolve, moment.afterMs)))
  await look(() => text.changed(1), closely)
  text.note()
  await look(() => text.changed(0), closely)
}

test.after(async () => {
  await camera.cut()
  network.close()
  say(`${outcomes.length} cuts, seed ${SEED}:\n${outcomes.join('\n')}`)
})

test('a camera that is set up and films onto its card', async () => {
  const tookMs = await camera.start()
  say(`started after ${(tookMs / 1000).toFixed(0)} s; seed ${SEED}`)
  await camera.console.run(`until mountpoint -q /var/lib/homeward/card; do sleep 1; done`, START_WITHIN_MS)
  await camera.console.run(
    `printf '${SETTINGS.replace('\n', '\\n')}' >/data/homeward/settings.toml; echo kept >/data/homeward/mark`,
  )
  const code = formatSetupCode({ storage, token: new Uint8Array(randomBytes(16)), addresses: [] })
  await camera.until('camera status', () => true, START_WITHIN_MS)
  await camera.console.run('sv restart /run/service/camera; sync', 60_000)
  await camera.until(`camera setup ${code}`, () => true, START_WITHIN_MS)
  ;({ uid } = await camera.ask('camera status'))
  await assertKept()
  update = makeBundle({
    board: CAMERA.board,
    version: '9.0.0.1',
    slot: image,
    key: updateKey(),
  })
})

const moments = cutMoments(CUTS, seededRandom(SEED))
for (const number of ONLY ?? moments.map((_, index) => index + 1)) {
  const moment = moments[number - 1]
  if (moment === undefined) continue
  test(`cut ${number}: ${momentText(moment)}`, async () => {
    await awake()
    const old = await slotNow()
    await camera.console.run('until netstat -ltn | grep -q :7445; do sleep 1; done', START_WITHIN_MS)
    const text = new BootText(disk)
    const sending = sender.start(await camera.address(), CAMERA.board, update)
    try {
      await reached(moment, text)
    } finally {
      await camera.cut()
      await sending.stop()
    }
    const copies = text.areAlike() ? 'copies alike' : 'copies differ'
    text.close()
    camera.console.forget()
    const tookMs = await camera.start()
    const slot = await slotNow()
    if (moment.at === 'write') assert.is(slot, old)
    await assertKept().catch(async (error: Error) => {
      say(`after the cut: ${error.message}`)
      await awake()
      await assertKept()
    })
    const last = await settled()
    if (slot === old) assert.is(last, old)
    await mended()
    outcomes.push(
      `${number}: ${momentText(moment)}: ${copies}, ${slotText(old, slot, last)}, ${onCard} fragments on the card`,
    )
    say(`${outcomes.at(-1)}; started after ${(tookMs / 1000).toFixed(0)} s`)
  })
}

test('after all of them it takes an update as ever', async () => {
  const old = await slotNow()
  await camera.console.run('until netstat -ltn | grep -q :7445; do sleep 1; done', START_WITHIN_MS)
  const said = await sender.start(await camera.address(), CAMERA.board, update).said
  assert.match(said, /^OK written/)
  await camera.restarted()
  assert.is.not(await slotNow(), old)
  await camera.console.run('until [ "$(homeward-slot trial)" = no ]; do sleep 2; done', START_WITHIN_MS)
  await assertKept()
})

test.run()
