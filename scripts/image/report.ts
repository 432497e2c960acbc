/** How much an image takes, against its caps. */
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ImageBoard } from './boards.ts'
import type { BuiltRoot } from './root.ts'
import type { Slot } from './slot.ts'

const MIB = 1024 * 1024
/** Headroom of less than this share is worth a word. */
const TIGHT = 0.05

export function sizeReport({ id, image }: ImageBoard, root: BuiltRoot, slot: Slot): string {
  const cap = image['root-cap-mib'] * MIB
  const total = slot.rootBytes + slot.kernelBytes + slot.initrdBytes
  const line = (what: string, bytes: number, of?: number) =>
    `${what.padEnd(28)}${(bytes / MIB).toFixed(1).padStart(8)} MiB${
      of === undefined
        ? ''
        : ` of ${(of / MIB).toFixed(0)} MiB${of - bytes < of * TIGHT ? ', little room is left' : ''}`
    }`
  return [
    `Sizes of ${id}`,
    '',
    line('root, compressed', slot.rootBytes, cap),
    line('kernel', slot.kernelBytes),
    line('initrd', slot.initrdBytes),
    line('slot', total, image['slot-mib'] * MIB),
    '',
    'In the root, before compression:',
    ...largest(root.folder).map(([path, bytes]) => line(`  ${path}`, bytes)),
    '',
  ].join('\n')
}

/** Files and folders of two levels under /usr that take most. */
function largest(root: string): [string, number][] {
  const paths = ['usr/bin', 'usr/sbin', 'usr/lib', 'usr/lib/homeward', 'usr/lib/aarch64-linux-gnu'].flatMap((folder) =>
    readdirSync(join(root, folder)).map((name) => join(folder, name)),
  )
  return paths
    .filter((path) => !['usr/lib/homeward', 'usr/lib/aarch64-linux-gnu'].includes(path))
    .map((path): [string, number] => [path, bytesIn(join(root, path))])
    .sort((a, b) => b[1] - a[1])
    .slice(0, 15)
}

function bytesIn(path: string): number {
  const about = lstatSync(path)
  if (!about.isDirectory()) return about.size
  return readdirSync(path).reduce((sum, name) => sum + bytesIn(join(path, name)), 0)
}
