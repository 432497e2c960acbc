/**
 * The image of a whole disk:
 *
 *   0        table (MBR: the Raspberry Pi's boot ROM knows nothing else), identity of the disk
 *   512 KiB  which slot to start, two copies of 4 KiB, 256 KiB apart
 *   4 MiB    1: FAT with the boot chain and its script, 60 MiB
 *   64 MiB   2: slot A    3: slot B
 *   then     4: data, made by the device at its first start, to the end of the disk
 */
import {
  closeSync,
  copyFileSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { ImageBoard } from './boards.ts'
import { bootFiles } from './boot-files.ts'
import type { Kernel } from './kernel.ts'
import type { BuiltRoot } from './root.ts'
import { runTool } from './tool.ts'
import type { Version } from './version.ts'

const MIB = 1024 * 1024
const BOOT_AT_MIB = 4
const BOOT_MIB = 60
const SLOTS_AT_MIB = BOOT_AT_MIB + BOOT_MIB
export const STATE_AT_BYTES = [512 * 1024, 768 * 1024] as const
export const STATE_BYTES = 4096
const CHUNK_BYTES = 4 * MIB
/** The disk's identity: the same in every image of a board, for the system looks for the disk it was started from. */
const IDENTITY = { 'qemu-arm64': '0x686d7164', raspberrypi: '0x686d7270' } as const

export function buildDisk(
  { image }: ImageBoard,
  slot: string,
  root: BuiltRoot,
  kernel: Kernel,
  version: Version,
  folder: string,
): string {
  const boot = buildBootPartition(image, root, kernel, version, folder)
  const file = join(folder, 'homeward.img')
  const slotMib = image['slot-mib']
  rmSync(file, { force: true })
  const disk = openSync(file, 'w+')
  try {
    ftruncateSync(disk, (SLOTS_AT_MIB + 2 * slotMib) * MIB)
    const table = [
      'label: dos',
      `label-id: ${IDENTITY[image['boot-chain']]}`,
      `start=${BOOT_AT_MIB}MiB, size=${BOOT_MIB}MiB, type=c, bootable`,
      `start=${SLOTS_AT_MIB}MiB, size=${slotMib}MiB, type=83`,
      `start=${SLOTS_AT_MIB + slotMib}MiB, size=${slotMib}MiB, type=83`,
    ]
    runTool('sfdisk', ['--quiet', file], { input: `${table.join('\n')}\n` })
    for (const at of STATE_AT_BYTES) writeSync(disk, slotState('A', 'none', 0), 0, STATE_BYTES, at)
    place(boot, disk, BOOT_AT_MIB * MIB)
    place(slot, disk, SLOTS_AT_MIB * MIB)
  } finally {
    closeSync(disk)
  }
  return file
}

/** As U-Boot's `env import -c` and fw_setenv read it: CRC-32 of the rest, then NAME=VALUE with a zero behind each. */
export function slotState(slot: 'A' | 'B', trial: 'A' | 'B' | 'none', left: number): Uint8Array {
  const bytes = Buffer.alloc(STATE_BYTES)
  bytes.write(`hw_left=${left}\0hw_slot=${slot}\0hw_try=${trial}\0\0`, 4, 'latin1')
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0)
  return bytes
}

function buildBootPartition(
  image: ImageBoard['image'],
  root: BuiltRoot,
  kernel: Kernel,
  version: Version,
  folder: string,
): string {
  const files = join(folder, 'boot')
  rmSync(files, { recursive: true, force: true })
  mkdirSync(files, { recursive: true })
  const names = bootFiles(image, root, kernel, version, files)
  const file = join(folder, 'boot.fat')
  rmSync(file, { force: true })
  const environment = { SOURCE_DATE_EPOCH: `${version.epochS}` }
  runTool('mkfs.vfat', ['--invariant', '-F', '16', '-n', 'HOMEWARD', '-C', file, `${BOOT_MIB * 1024}`], { environment })
  runTool('find', [files, '-exec', 'touch', '-d', `@${version.epochS}`, '{}', '+'])
  runTool('mcopy', ['-s', '-p', '-m', '-i', file, ...names.map((name) => join(files, name)), '::'], { environment })
  return file
}

/** Copies without the zeros, so that the image takes no more room than what is in it. */
function place(from: string, disk: number, at: number): void {
  const file = openSync(from, 'r')
  const chunk = Buffer.alloc(CHUNK_BYTES)
  try {
    for (let offset = 0; ; ) {
      const count = readSync(file, chunk, 0, CHUNK_BYTES, offset)
      if (count === 0) return
      const bytes = chunk.subarray(0, count)
      if (bytes.some((byte) => byte !== 0)) writeSync(disk, bytes, 0, count, at + offset)
      offset += count
    }
  } finally {
    closeSync(file)
  }
}

/** Copies a file of a build to where a person finds it. */
export function deliver(from: string, folder: string, name: string): void {
  mkdirSync(folder, { recursive: true })
  copyFileSync(from, join(folder, name), 2)
}

export function note(folder: string, name: string, text: string): void {
  writeFileSync(join(folder, name), text)
}
