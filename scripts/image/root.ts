/** The root filesystem of a board, as a folder. */
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { updateKey } from '../ota/key.ts'
import type { ImageBoard, NamedBoard } from './boards.ts'
import { builtBusybox, builtFfmpeg, type CrossBuilt } from './cross-built.ts'
import { type Debian, type DebianPackage, unpack } from './debian.ts'
import { addModules, type Kernel } from './kernel.ts'
import { collectLicences } from './licences.ts'
import { addLibraries, pick } from './pick.ts'
import { SOURCE } from './places.ts'
import { addProgram, fetchedNode } from './runtime.ts'
import { runTool } from './tool.ts'
import type { Version } from './version.ts'

const OVERLAY = join(SOURCE, 'rootfs-overlay')

const PACKAGES = [
  ...['libc6', 'libstdc++6', 'libgcc-s1'],
  ...['e2fsprogs', 'fdisk', 'util-linux', 'libubootenv-tool', 'swupdate'],
]
const PROGRAMS = [
  ...['usr/sbin/mke2fs', 'usr/sbin/e2fsck', 'etc/mke2fs.conf'],
  ...['usr/sbin/sfdisk', 'usr/bin/partx', 'usr/sbin/blkid', 'usr/sbin/wipefs'],
  ...['usr/bin/fw_printenv', 'usr/bin/fw_setenv', 'usr/bin/swupdate'],
]
/** Loaded by name at run time: glibc's resolver has no other way to say so. */
const LOADED_LATE = ['usr/lib/aarch64-linux-gnu/libresolv.so.2']
/** What every image's kernel needs beyond finding its disk. */
const COMMON_MODULES = ['crc32c_generic', 'ext4', 'squashfs', 'loop']
const FOLDERS = 'data dev mnt proc root run slot srv/homeward sys tmp var/lib/homeward/card usr/share'.split(' ')

export interface BuiltRoot {
  readonly folder: string
  readonly busybox: CrossBuilt
  /** Where the packages were unpacked, for boot files. */
  readonly stage: string
  /** A line for each part that is shipped, with its version. */
  readonly parts: readonly string[]
}

/** Makes `folder`/root anew. Expects dist/. */
export async function buildRoot(
  { id, path, board, image }: ImageBoard,
  debian: Debian,
  kernel: Kernel,
  version: Version,
  folder: string,
): Promise<BuiltRoot> {
  const root = join(folder, 'root')
  const stage = join(folder, 'stage')
  for (const old of [root, stage]) rmSync(old, { recursive: true, force: true })
  const packages = [...debian.withDependencies(PACKAGES), ...extra(debian, image.packages)]
  unpack(packages, stage)

  mkdirSync(root, { recursive: true })
  for (const part of ['bin', 'sbin', 'lib']) {
    mkdirSync(join(root, 'usr', part), { recursive: true })
    symlinkSync(`usr/${part}`, join(root, part))
  }
  for (const part of FOLDERS) mkdirSync(join(root, part), { recursive: true })
  pick(stage, root, [...PROGRAMS, ...image.keep.filter((file) => !isBootFile(file))])
  for (const name of ['mkfs.ext4', 'fsck.ext4']) {
    symlinkSync(name.startsWith('mk') ? 'mke2fs' : 'e2fsck', join(root, 'usr/sbin', name))
  }

  const node = fetchedNode()
  cpSync(node.program, join(root, 'usr/bin/node'))
  const npm = await addProgram(join(root, 'usr/lib/homeward'))
  const built: Record<string, CrossBuilt> = { busybox: builtBusybox(debian) }
  if (board.role === 'camera' && board.capture.ffmpeg === undefined && board.capture.profile !== 'fake') {
    const ffmpeg = builtFfmpeg(debian, board.capture.profile === 'test')
    built.ffmpeg = ffmpeg
    cpSync(join(ffmpeg.folder, 'ffmpeg'), join(root, 'usr/bin/ffmpeg'))
  }
  const busybox = built.busybox as CrossBuilt
  addBusybox(busybox, root)
  addLibraries(stage, root)
  for (const library of LOADED_LATE) pick(stage, root, [library])
  addModules(kernel, [...COMMON_MODULES, ...image['modules-initrd'], ...image.modules], root)

  for (const layer of ['common', board.role]) {
    cpSync(join(OVERLAY, layer), root, { recursive: true, filter: (source) => !source.endsWith('readme.md') })
  }
  mkdirSync(join(root, 'usr/lib/homeward/board', id), { recursive: true })
  cpSync(path, join(root, 'usr/lib/homeward/board', id, 'board.toml'))
  symlinkSync(`/usr/lib/homeward/board/${id}/board.toml`, join(root, 'etc/homeward/board.toml'))
  writeFileSync(join(root, 'etc/homeward/image'), imageFacts({ id, path, board }, version))
  writeFileSync(join(root, 'etc/homeward/modules'), `${image.modules.join('\n')}\n`)
  cpSync(updateKey().certificate, join(root, 'etc/homeward/update.pem'))
  writeFileSync(join(root, 'usr/lib/os-release'), osRelease(id, version))
  symlinkSync('../usr/lib/os-release', join(root, 'etc/os-release'))
  addLinks(root)

  const debianShipped = [...packages, kernel.package]
  const missing = collectLicences(
    { debian: packages, stage, node: node.licence, npm, built },
    join(root, 'usr/share/licenses'),
  )
  cpSync(
    join(kernel.folder, 'usr/share/doc', kernel.package.name, 'copyright'),
    join(root, 'usr/share/licenses', 'debian__linux', 'copyright'),
    { recursive: true },
  )
  const parts = [
    `node ${node.version}`,
    ...Object.entries(built).map(([name, part]) => `${name} ${part.version} (cross-built from Debian's source)`),
    ...debianShipped.map(({ name, version: of }) => `debian ${name} ${of}`),
    ...npm.map((name) => `npm ${name}${missing.includes(name) ? ' (licence named in its package.json only)' : ''}`),
  ]
  writeFileSync(join(root, 'usr/share/licenses/parts.txt'), `${parts.join('\n')}\n`)
  normalise(root, version)
  return { folder: root, busybox, stage, parts }
}

/** Files that the boot chain takes, not the running system. */
export const isBootFile = (path: string) => path.startsWith('usr/lib/raspi-firmware/')

function extra(debian: Debian, names: readonly string[]): DebianPackage[] {
  return names.length === 0 ? [] : debian.withDependencies(names)
}

function addBusybox({ folder }: CrossBuilt, root: string): void {
  cpSync(join(folder, 'busybox'), join(root, 'usr/bin/busybox'))
  const applets = runTool('qemu-aarch64-static', [join(folder, 'busybox'), '--list-full'])
    .trim()
    .split('\n')
  for (const applet of applets) {
    const merged = /^(?:bin|sbin|linuxrc)/.test(applet) ? `usr/${applet}` : applet
    const path = join(root, merged)
    if (applet === 'linuxrc' || existsSync(path)) continue
    mkdirSync(dirname(path), { recursive: true })
    symlinkSync('/usr/bin/busybox', path)
  }
}

/** What scripts on the device know of the board: they never read TOML. */
export function imageFacts({ id, board }: NamedBoard, version: Version): string {
  const disks =
    board.role === 'storage' ? board.disk.devices : board.card.on === 'system' ? ['system'] : board.card.devices
  const size = board.role === 'camera' && board.card.on === 'system' ? board.card['ring-size'] : undefined
  const facts = {
    BOARD: id,
    ROLE: board.role,
    VERSION: version.text,
    BUILT: `${version.epochS}`,
    HOSTNAME: `homeward-${board.role}`,
    DISKS: disks.join(' '),
    RING_SIZE: size ?? '',
    KERNEL_TTY: board.serial.kernel,
    CONSOLE_TTY: board.serial.console,
    CONSOLE_BAUD: `${board.serial.baud}`,
    SHELL: board.serial.shell ? 'yes' : 'no',
    WATCHDOG: board.watchdog?.device ?? '',
    STATE: board.rootfs?.state ?? '/data/homeward',
    FOOTAGE: board.rootfs?.footage ?? (board.role === 'camera' ? '/var/lib/homeward/card' : '/srv/homeward'),
  }
  return Object.entries(facts)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
}

function osRelease(id: string, { text, commit, epochS }: Version): string {
  return [
    'ID=homeward',
    'NAME="Homeward"',
    `PRETTY_NAME="Homeward ${text}"`,
    `VERSION_ID=${text}`,
    `BUILD_ID=${commit}`,
    `VARIANT_ID=${id.replace('/', '-')}`,
    `BUILD_TIME=${new Date(epochS * 1000).toISOString()}`,
    '',
  ].join('\n')
}

function addLinks(root: string): void {
  const link = (target: string, path: string) => {
    rmSync(join(root, path), { recursive: true, force: true })
    mkdirSync(dirname(join(root, path)), { recursive: true })
    symlinkSync(target, join(root, path))
  }
  link('/run', 'var/run')
  link('/data/log', 'var/log')
  link('/tmp', 'var/tmp')
  link('/run/resolv.conf', 'etc/resolv.conf')
  link('/proc/mounts', 'etc/mtab')
  // Commands find the agent's state where they look by default.
  link('/data/homeward', 'var/lib/homeward/camera')
  link('/data/homeward', 'var/lib/homeward/storage')
}

/** One owner's rights and one time everywhere, whoever builds. */
function normalise(root: string, { epochS }: Version): void {
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isDirectory()) chmodSync(path, 0o755)
  }
  runTool('chmod', ['-R', 'u+w,go-w', root])
  runTool('find', [root, '-exec', 'touch', '-h', '-d', `@${epochS}`, '{}', '+'])
}
