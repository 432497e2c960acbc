/** A slot: one ext4 file system with kernel, device tree, initrd and the compressed root. The same bytes are an update's payload. */
import { chmodSync, cpSync, mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { HomewardError } from '../../firmware/wire/errors.ts'
import type { ImageBoard } from './boards.ts'
import { addModules, deviceTree, type Kernel } from './kernel.ts'
import { SOURCE } from './places.ts'
import type { BuiltRoot } from './root.ts'
import { runTool } from './tool.ts'
import type { Version } from './version.ts'

/** Fixed, for two builds must not differ: nothing looks a slot up by it. */
const UUID = '6d6f7264-7761-4672-8000-686f6d657761'
const MIB = 1024 * 1024
const INITRD_MODULES = ['crc32c_generic', 'ext4', 'squashfs', 'loop']
const APPLETS = 'sh mount switch_root modprobe sleep usleep od tr sed tail reboot mkdir cat'.split(' ')

export interface Slot {
  readonly file: string
  readonly rootBytes: number
  readonly kernelBytes: number
  readonly initrdBytes: number
}

/** Writes `folder`/slot.ext4. Throws CONFIG_INVALID when the root is over its cap. */
export function buildSlot(named: ImageBoard, root: BuiltRoot, kernel: Kernel, version: Version, folder: string): Slot {
  const { id, image } = named
  const files = join(folder, 'slot')
  rmSync(files, { recursive: true, force: true })
  mkdirSync(files, { recursive: true })
  const squashfs = join(files, 'root.squashfs')
  const time = `${version.epochS}`
  const squash = ['-noappend', '-all-root', '-no-exports', '-no-xattrs', '-no-progress', '-quiet', '-comp', 'zstd']
  // The time of all files is set already, and mksquashfs takes the environment's as an error beside its own option.
  runTool('mksquashfs', [root.folder, squashfs, ...squash, '-Xcompression-level', '15', '-b', '256K'], {
    environment: { SOURCE_DATE_EPOCH: time },
  })
  const rootBytes = statSync(squashfs).size
  if (rootBytes > image['root-cap-mib'] * MIB) {
    throw new HomewardError(
      'CONFIG_INVALID',
      `the root of ${id} takes ${(rootBytes / MIB).toFixed(1)} MiB, more than its cap of ${image['root-cap-mib']} MiB`,
      { hint: 'make BOARD=… size-report shows what is in it.' },
    )
  }
  cpSync(kernel.image, join(files, 'kernel'))
  const tree = image['device-tree']
  if (tree !== undefined) cpSync(deviceTree(kernel, tree), join(files, 'device-tree'))
  writeFileSync(join(files, 'boot.env'), `hw_args=${kernelArguments(named)}\n`)
  buildInitrd(named, root, kernel, version, folder, join(files, 'initrd'))

  const file = join(folder, 'slot.ext4')
  makeExt4(files, file, image['slot-mib'], version)
  const size = (name: string) => statSync(join(files, name)).size
  return { file, rootBytes, kernelBytes: size('kernel'), initrdBytes: size('initrd') }
}

function kernelArguments({ board }: ImageBoard): string {
  const { kernel, baud } = board.serial
  return `console=${kernel},${baud} loglevel=4 panic=5 ro net.ifnames=0`
}

function buildInitrd(
  { image }: ImageBoard,
  root: BuiltRoot,
  kernel: Kernel,
  version: Version,
  folder: string,
  file: string,
): void {
  const tree = join(folder, 'initrd')
  rmSync(tree, { recursive: true, force: true })
  for (const part of ['bin', 'dev', 'proc', 'root', 'run', 'slot', 'sys', 'usr/lib']) {
    mkdirSync(join(tree, part), { recursive: true })
  }
  symlinkSync('usr/lib', join(tree, 'lib'))
  cpSync(join(root.busybox.folder, 'busybox'), join(tree, 'bin/busybox'))
  for (const applet of APPLETS) symlinkSync('busybox', join(tree, 'bin', applet))
  const modules = [...INITRD_MODULES, ...image['modules-initrd']]
  addModules(kernel, modules, tree)
  writeFileSync(join(tree, 'modules'), `${modules.join('\n')}\n`)
  cpSync(join(SOURCE, 'rootfs-overlay/initrd/init'), join(tree, 'init'))
  cpSync(join(SOURCE, 'rootfs-overlay/common/usr/lib/homeward/functions'), join(tree, 'functions'))
  chmodSync(join(tree, 'init'), 0o755)
  runTool('find', [tree, '-exec', 'touch', '-h', '-d', `@${version.epochS}`, '{}', '+'])
  const pack =
    'find . -mindepth 1 | LC_ALL=C sort | cpio --quiet --reproducible -R 0:0 -o -H newc | zstd -q -19 -T1 > "$1"'
  runTool('sh', ['-c', pack, 'sh', file], { cwd: tree })
}

/** mke2fs takes the times of files over, those of their last change too; debugfs sets what cannot be set otherwise. */
function makeExt4(files: string, file: string, mib: number, { epochS }: Version): void {
  rmSync(file, { force: true })
  runTool('find', [files, '-exec', 'touch', '-h', '-d', `@${epochS}`, '{}', '+'])
  const environment = { E2FSPROGS_FAKE_TIME: `${epochS}` }
  const features = ['-O', '^has_journal,^metadata_csum,^64bit', '-m', '0', '-I', '256', '-N', '64']
  const fixed = ['-U', UUID, '-E', `hash_seed=${UUID},root_owner=0:0,lazy_itable_init=0`, '-L', 'homeward-slot']
  runTool('mke2fs', ['-q', '-t', 'ext4', ...features, ...fixed, '-d', files, file, `${mib}M`], { environment })
  const names = runTool('ls', ['-A', files]).trim().split('\n')
  const times = ['/', '/lost+found', ...names.map((name) => `/${name}`)].flatMap((path) =>
    ['ctime', 'crtime', 'atime', 'mtime', 'ctime_extra', 'crtime_extra', 'atime_extra', 'mtime_extra'].map(
      (field) => `sif ${path} ${field} ${field.endsWith('extra') ? '0' : `@${epochS}`}`,
    ),
  )
  runTool('debugfs', ['-w', '-f', '-', file], { environment, input: `${times.join('\n')}\n` })
}
