/** The root filesystem that `make rootfs` lays Homeward into: is it one that Homeward can run in, and does it stay inside of itself? */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { join, resolve, sep } from 'node:path'
import { HomewardError } from '../../firmware/wire/errors.ts'
import { SOURCE } from './places.ts'

/** What Node.js asks for. */
const GLIBC_LEAST = '2.28'
/** Where something of ours goes. */
const WRITTEN = ['usr/lib/homeward', 'usr/bin', 'etc/homeward', 'etc/init.d', 'etc/systemd/system']
const LIBRARY_FOLDERS = ['lib', 'usr/lib', 'lib64', 'usr/lib64', 'lib/aarch64-linux-gnu', 'usr/lib/aarch64-linux-gnu']
const LOADER = 'ld-linux-aarch64.so.1'
const ELF_AARCH64 = 183
const ELF_MACHINE_AT = 18

/** The folder without symbolic links. Throws USAGE, or CONFIG_INVALID for a folder that is no arm64 root with a glibc that is new enough. */
export function existingRoot(name: string): string {
  if (name === '') {
    throw new HomewardError('USAGE', 'no root filesystem is named, expected ROOTFS=DIR', {
      hint: "Such as the `target` folder of a Buildroot, or a card with the board's system, mounted.",
    })
  }
  const path = resolve(name)
  if (!existsSync(path) || !statSync(path).isDirectory()) {
    throw new HomewardError('USAGE', `${path} is not a folder, expected the root filesystem of a board`)
  }
  const root = realpathSync(path)
  if (root === '/') throw new HomewardError('USAGE', `${path} is this machine's own root filesystem`)
  if (`${realpathSync(SOURCE)}${sep}`.startsWith(`${root}${sep}`)) {
    throw new HomewardError('USAGE', `${path} holds this source tree, expected the root filesystem of a board`)
  }
  for (const folder of WRITTEN) checkInside(root, folder)
  const loader = LIBRARY_FOLDERS.map((folder) => join(root, folder, LOADER)).find((file) => existsSync(file))
  if (loader === undefined || !isInside(root, loader) || machineOf(loader) !== ELF_AARCH64) {
    throw new HomewardError('CONFIG_INVALID', `${path} is not the root of a 64-bit ARM system with glibc`, {
      hint: `Expected lib/${LOADER} in there. Systems with musl, and 32-bit ones, cannot run Homeward.`,
    })
  }
  const version = glibcVersion(root)
  if (version !== undefined && older(version, GLIBC_LEAST)) {
    throw new HomewardError('CONFIG_INVALID', `${path} has glibc ${version}, expected ${GLIBC_LEAST} or newer`, {
      hint: 'Node.js asks for it: build that system with a newer toolchain.',
    })
  }
  return root
}

/** An absolute symbolic link in there means a folder of the board; here it would be one of this machine. */
function checkInside(root: string, folder: string): void {
  let path = root
  for (const part of folder.split('/')) {
    path = join(path, part)
    if (existsSync(path) && !isInside(root, path)) {
      throw new HomewardError('CONFIG_INVALID', `${path} leads out of ${root}, to ${realpathSync(path)}`, {
        hint: 'Make that a relative link, so that it means the same here as on the board.',
      })
    }
  }
}

function isInside(root: string, path: string): boolean {
  return realpathSync(path).startsWith(`${root}${sep}`)
}

/** Of an ELF file; undefined for another one. */
function machineOf(path: string): number | undefined {
  const bytes = readFileSync(path)
  return bytes.subarray(0, 4).toString('latin1') === '\x7fELF' ? bytes.readUInt16LE(ELF_MACHINE_AT) : undefined
}

function glibcVersion(root: string): string | undefined {
  const path = LIBRARY_FOLDERS.map((folder) => join(root, folder, 'libc.so.6')).find((file) => existsSync(file))
  if (path === undefined) return undefined
  return /GNU C Library .* version (\d+\.\d+)/.exec(readFileSync(path).toString('latin1'))?.[1]
}

function older(version: string, least: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [leastMajor = 0, leastMinor = 0] = least.split('.').map(Number)
  return major < leastMajor || (major === leastMajor && minor < leastMinor)
}
