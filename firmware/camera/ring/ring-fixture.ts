/** Small rings on a fake disk, for tests. */
import { FakeClock } from '../../platform/clock-fake.ts'
import type { FakeDisk } from '../../platform/disk-fake.ts'
import { decodeGap } from '../../wire/gap.ts'
import { decodeRecordHeader, splitPayload } from '../../wire/record.ts'
import { initRing } from './marker.ts'
import { openRing, type RingOptions } from './open-ring.ts'
import type { FragmentMeta, Ring, RingFragment } from './ring.ts'
import { FakeSealer, unsealFake } from './sealer-fake.ts'

export const DIR = '/card/ring'
export const BOOT = 'b007b007b007b007'
export const CAMERA = { publicKey: new Uint8Array(32).fill(0xca), uid: 'CAMERA-A' }
export const KIB = 1024

/** 64 KiB of it are the reserve. */
export const SLAB_BYTES = 320 * KIB

/** A marked folder for slabs of SLAB_BYTES. */
export async function prepareCard(disk: FakeDisk, slabs?: number): Promise<void> {
  await initRing(disk, DIR, {
    slabBytes: SLAB_BYTES,
    anySlabBytes: true,
    ...(slabs !== undefined && { capacityBytes: slabs * SLAB_BYTES }),
  })
}

/** Locks nothing: the fake disk's folders are not the machine's. */
export const noLock = async () => async () => {}

export function openFake(disk: FakeDisk, options: Partial<RingOptions> = {}): Promise<Ring> {
  return openRing({
    disk,
    dir: DIR,
    camera: CAMERA,
    sealer: new FakeSealer(),
    boot: BOOT,
    clock: new FakeClock(),
    keepFreeBytes: 0,
    lock: noLock,
    ...options,
  })
}

export function fragmentMeta(at: number): FragmentMeta {
  return {
    run: 0,
    boot: BOOT,
    monoUs: at * 1e6,
    wallUs: 1_790_000_000_000_000 + at * 1e6,
    clock: 'synchronised',
    durationUs: 1e6,
    keyFrame: true,
    runStart: at === 0,
  }
}

/** The `at`-th fragment of a camera: its content names it. */
export function fragmentAt(at: number, bytes = 40 * KIB, name = 'fragment'): RingFragment {
  const text = Buffer.from(`${name} ${at} of ${bytes} bytes. `)
  return { meta: fragmentMeta(at), init: Buffer.from('init segment'), fragment: Buffer.alloc(bytes, text) }
}

/** What a record covers, and its text: of the fragment, or the reason of the gap. */
export function describeRecord(record: Uint8Array): { seq: number; span: number; content: string } {
  const { kind, seq, span } = decodeRecordHeader(record)
  const payload = unsealFake(record)
  const content = kind === 'gap' ? decodeGap(payload).reason : Buffer.from(splitPayload(payload).fragment).toString()
  return { seq, span, content }
}

/** Every record that is not safe, read back: `log/seq` or `log/first-last` → content. */
export async function readAll(ring: Ring): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (const { log } of ring.logs()) {
    for (const ref of ring.unacked(log)) {
      const { seq, span, content } = describeRecord(await ring.read(ref))
      found.set(span === 1 ? `${log}/${seq}` : `${log}/${seq}-${seq + span - 1}`, content)
    }
  }
  return found
}

/** The same for one log, in the order of its numbers, fragments by the number in their content. */
export async function contentsOf(ring: Ring, log = ring.log): Promise<string[]> {
  const list: string[] = []
  for (const ref of ring.unacked(log)) {
    const { seq, span, content } = describeRecord(await ring.read(ref))
    const what = /^fragment (\d+) /.exec(content)?.[1] ?? content
    list.push(span === 1 ? `${seq}:${what}` : `${seq}-${seq + span - 1}:${what}`)
  }
  return list
}
