/**
 * The rules that the promises rest on, each broken on purpose in one place, and the test file that must notice. Texts are
 * looked for as they stand in the source: one that is no longer there is a failure of the list, to be mended in it.
 */
export interface Mutation {
  /** The rule that is broken. */
  readonly breaks: string
  readonly file: string
  readonly find: string
  readonly replace: string
  /** Test file that must fail. */
  readonly test: string
  /** One of those that every `make test` tries. */
  readonly sample?: true
}

const RING = 'firmware/camera/ring'
const ARCHIVE = 'firmware/storage/archive'
const RING_CUTS = `${RING}/ring-crash.test.ts`
const DISK_CUTS = `${ARCHIVE}/archive-crash.test.ts`
const ACK_ORDER = 'firmware/storage/ack-order.test.ts'
const DISK_FAULTS = 'firmware/storage/disk-faults.test.ts'

export const MUTATIONS: readonly Mutation[] = [
  {
    breaks: 'a fragment is called kept after its slab is synced',
    file: `${RING}/card-writer.ts`,
    find: '    await this.#store.sync()\n',
    replace: '',
    test: RING_CUTS,
    sample: true,
  },
  {
    breaks: 'a slab is written again after everything in it is ACKed',
    file: `${RING}/slabs.ts`,
    find: 'slabs.filter((slab) => slab.unacked === 0)',
    replace: 'slabs.filter(() => true)',
    test: RING_CUTS,
    sample: true,
  },
  {
    breaks: 'the ACK mark is durable before the first byte of a slab is written over',
    file: `${RING}/card-writer.ts`,
    find: '    await this.writeMark()\n    await this.#store.select(plan.number)\n',
    replace: '    await this.#store.select(plan.number)\n',
    test: `${RING}/ring-failures.test.ts`,
  },
  {
    breaks: 'the two slots of the ACK mark take turns',
    file: `${RING}/slab-store.ts`,
    find: '(mark.counter % 2) * SLOT_BYTES',
    replace: '0',
    test: `${RING}/slab-store.test.ts`,
  },
  {
    breaks: 'a record on the card is believed only with its checksum',
    file: `${RING}/card-record.ts`,
    find: 'payload.byteLength === header.payloadBytes && crc32(payload) === payloadCrc',
    replace: 'payload.byteLength === header.payloadBytes',
    test: RING_CUTS,
  },
  {
    breaks: 'the header of a record on the card is believed only with its checksum',
    file: `${RING}/card-record.ts`,
    find: '    if (crc32(bytes.subarray(0, CRC_OFFSET)) !== headerCrc) return undefined\n',
    replace: '    void headerCrc\n',
    test: `${RING}/ring-failures.test.ts`,
  },
  {
    breaks: 'a record of an earlier use of a slab is never taken for new',
    file: `${RING}/scan.ts`,
    find: 'found === undefined || found.epoch < newest',
    replace: 'found === undefined',
    test: RING_CUTS,
  },
  {
    breaks: 'a number of a log is never used again',
    file: `${RING}/card-ring.ts`,
    find: '    this.#nextSeq += span\n',
    replace: '    this.#nextSeq += 1\n',
    test: RING_CUTS,
    sample: true,
  },
  {
    breaks: 'every opening of a card has a log of its own',
    file: `${RING}/open-ring.ts`,
    find: 'if (inventory.log(sealer.log) !== undefined) {',
    replace: 'if (inventory.log(sealer.log) === undefined && sealer.log === undefined) {',
    test: `${RING}/ring.test.ts`,
  },
  {
    breaks: 'what a power cut tore is called damage, not passed over',
    file: `${RING}/survey.ts`,
    find: 'for (const log of inventory.logs()) log.findHoles(trusted ? 0 : log.first)',
    replace: 'void trusted',
    test: RING_CUTS,
  },
  {
    breaks: 'a fragment is answered for after its file is synced',
    file: `${ARCHIVE}/open-file.ts`,
    find: '    await this.#handle.write(parts, start)\n    await this.#handle.datasync()\n',
    replace: '    await this.#handle.write(parts, start)\n',
    test: DISK_CUTS,
    sample: true,
  },
  {
    breaks: 'a fragment is answered for after its row is flushed',
    file: `${ARCHIVE}/batch-writer.ts`,
    find: '    await index.commit(rows.changes())\n    this.#unapplied = []\n',
    replace: '    void index.commit(rows.changes())\n    this.#unapplied = []\n',
    test: ACK_ORDER,
  },
  {
    breaks: 'a fragment is answered for after the folders of its file are synced',
    file: `${ARCHIVE}/folders.ts`,
    find: 'Promise.allSettled(needed.map(sync))',
    replace: 'Promise.allSettled(needed.slice(0, 0).map(sync))',
    test: DISK_CUTS,
  },
  {
    breaks: 'a gap is answered for after its line in the journal is synced',
    file: `${ARCHIVE}/journal.ts`,
    find: '    await this.#file.datasync()\n    this.#dirty = false\n',
    replace: '    this.#dirty = false\n',
    test: DISK_CUTS,
  },
  {
    breaks: 'a file is made after the index knows its name',
    file: `${ARCHIVE}/batch-writer.ts`,
    find: '    await this.#reserve(fresh)\n',
    replace: '',
    test: DISK_CUTS,
  },
  {
    breaks: 'nothing is taken for footage because its boxes look right',
    file: `${ARCHIVE}/scan.ts`,
    find: '    if (deep) await checkHash(file, offset + headerBytes, entry)\n',
    replace: '',
    test: DISK_CUTS,
    sample: true,
  },
  {
    breaks: 'the line of a journal is believed only with its checksum',
    file: `${ARCHIVE}/journal-entry.ts`,
    find: "return crc32(json).toString(16).padStart(8, '0')",
    replace: "return crc32(json.subarray(0, 0)).toString(16).padStart(8, '0')",
    test: `${ARCHIVE}/journal.test.ts`,
  },
  {
    breaks: 'other content under a name that is taken is kept apart',
    file: `${ARCHIVE}/storing.ts`,
    find: "equalBytes(row.hash, fragmentHash) ? 'duplicate' : 'conflict'",
    replace: "'duplicate'",
    test: `${ARCHIVE}/archive.test.ts`,
  },
  {
    breaks: 'what was deleted on purpose does not come back',
    file: `${ARCHIVE}/start.ts`,
    find: "    if (entry.type === 'expired') await removeIfThere(disk, join(root, entry.path))\n",
    replace: '',
    test: DISK_CUTS,
  },
  {
    breaks: 'after a failed sync a file is cut at its last commit',
    file: `${ARCHIVE}/open-file.ts`,
    find: '      await this.#handle?.truncate(this.#committed.tail.bytes)\n',
    replace: '',
    test: `${ARCHIVE}/archive-faults.test.ts`,
  },
  {
    breaks: 'while a commit is in doubt the files it speaks of are left alone',
    file: `${ARCHIVE}/batch-writer.ts`,
    find: "    if (index.doubtful !== undefined) throw diskError(index.doubtful, 'writing the index')\n",
    replace: '',
    test: `${ARCHIVE}/archive-faults.test.ts`,
  },
  {
    breaks: 'an empty mount point is not written to',
    file: `${ARCHIVE}/room.ts`,
    find: 'found.device !== device',
    replace: 'found.device === undefined',
    test: `${ARCHIVE}/archive-faults.test.ts`,
  },
  {
    breaks: 'a record is acknowledged after it is stored',
    file: 'firmware/storage/intake.ts',
    find: 'store: async (header, payload, receivedUs) => archive.store(camera, header, splitPayload(payload), receivedUs),',
    replace:
      "store: async (header, payload, receivedUs) => { archive.store(camera, header, splitPayload(payload), receivedUs).catch(() => {}); return 'stored' },",
    test: DISK_FAULTS,
    sample: true,
  },
  {
    breaks: 'a gap is acknowledged after it is entered',
    file: 'firmware/storage/intake.ts',
    find: 'gap: (header, gap) => archive.gap(camera, header, gap.reason, gap.note, gap.since),',
    replace:
      'gap: async (header, gap) => { archive.gap(camera, header, gap.reason, gap.note, gap.since).catch(() => {}) },',
    test: ACK_ORDER,
  },
  {
    breaks: 'a disk whose open files fail for ever is opened again',
    file: 'firmware/storage/archive-slot.ts',
    find: 'archive.doubtful || nowUs - this.#failingSinceUs >= FAILING_MS * 1000',
    replace: 'false',
    test: DISK_FAULTS,
  },
  {
    breaks: 'a disk that hangs is alarmed',
    file: 'firmware/storage/stall-watch.ts',
    find: 'if (++this.#stalled === 1) this.#tell(hanging())',
    replace: 'this.#stalled++',
    test: DISK_FAULTS,
  },
]
