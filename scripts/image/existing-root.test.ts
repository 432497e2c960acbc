import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type ErrorCode, isHomewardError } from '../../firmware/wire/errors.ts'
import { existingRoot } from './existing-root.ts'
import { SOURCE } from './places.ts'

/** The head of an ELF file for a processor. */
function elf(machine: number): Buffer {
  const bytes = Buffer.alloc(64)
  bytes.write('\x7fELF', 'latin1')
  bytes.writeUInt16LE(machine, 18)
  return bytes
}

function withRoot(work: (root: string) => void): void {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'homeward-')))
  try {
    for (const folder of ['etc', 'usr/bin', 'usr/lib']) mkdirSync(join(root, folder), { recursive: true })
    symlinkSync('usr/lib', join(root, 'lib'))
    writeFileSync(join(root, 'usr/lib/ld-linux-aarch64.so.1'), elf(183))
    writeFileSync(join(root, 'usr/lib/libc.so.6'), 'GNU C Library (Buildroot) stable release version 2.38.\n')
    work(root)
  } finally {
    rmSync(root, { recursive: true })
  }
}

test('a root of 64-bit ARM with glibc is taken, without the links on the way to it', () => {
  withRoot((root) => {
    assert.is(existingRoot(root), root)
    symlinkSync(root, join(root, 'etc/again'))
    assert.is(existingRoot(join(root, 'etc/again')), root)
  })
})

const WRONG: [string, (root: string) => string, ErrorCode, RegExp][] = [
  ['nothing', () => '', 'USAGE', /no root filesystem is named/],
  ['what is not there', (root) => join(root, 'none'), 'USAGE', /is not a folder/],
  ['a file', (root) => join(root, 'usr/lib/libc.so.6'), 'USAGE', /is not a folder/],
  ['this machine', () => '/', 'USAGE', /this machine's own root filesystem/],
  ['this machine by another name', (root) => linked(root, 'here', '/'), 'USAGE', /this machine's own root filesystem/],
  ['the source tree', () => SOURCE, 'USAGE', /holds this source tree/],
  ['what the source tree is in', () => join(SOURCE, '..'), 'USAGE', /holds this source tree/],
  ['an empty folder', (root) => emptied(root, 'usr/lib'), 'CONFIG_INVALID', /not the root of a 64-bit ARM system/],
  ['a loader for another processor', (root) => loader(root, elf(40)), 'CONFIG_INVALID', /not the root of a 64-bit ARM/],
  ['a loader that is none', (root) => loader(root, Buffer.from('text')), 'CONFIG_INVALID', /not the root of a 64-bit/],
  ['an old glibc', (root) => glibc(root, '2.27'), 'CONFIG_INVALID', /has glibc 2\.27, expected 2\.28 or newer/],
  ['etc of this machine', (root) => replaced(root, 'etc', '/etc'), 'CONFIG_INVALID', /\/etc leads out of .*, to \/etc/],
  ['usr/lib of this machine', (root) => replaced(root, 'usr', '/usr'), 'CONFIG_INVALID', /leads out of/],
]

function linked(root: string, name: string, target: string): string {
  symlinkSync(target, join(root, name))
  return join(root, name)
}

function emptied(root: string, folder: string): string {
  rmSync(join(root, folder), { recursive: true })
  return root
}

function replaced(root: string, folder: string, target: string): string {
  emptied(root, folder)
  symlinkSync(target, join(root, folder))
  return root
}

function loader(root: string, bytes: Buffer): string {
  writeFileSync(join(root, 'usr/lib/ld-linux-aarch64.so.1'), bytes)
  return root
}

function glibc(root: string, version: string): string {
  writeFileSync(join(root, 'usr/lib/libc.so.6'), `GNU C Library (Debian GLIBC) stable release version ${version}.\n`)
  return root
}

for (const [what, make, code, words] of WRONG) {
  test(`refused: ${what}`, () => {
    withRoot((root) => {
      assert.throws(
        () => existingRoot(make(root)),
        (error: unknown) => isHomewardError(error, code) && words.test(error.message),
      )
    })
  })
}

test.run()
