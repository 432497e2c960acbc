/** Debian's kernel: the image, its device trees, and of its modules those that are wanted with what they need. */
import { cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { HomewardError } from '../../firmware/wire/errors.ts'
import { type Debian, type DebianPackage, unpack } from './debian.ts'
import { CACHE } from './places.ts'
import { runTool } from './tool.ts'

export interface Kernel {
  readonly package: DebianPackage
  readonly version: string
  /** The unpacked package. */
  readonly folder: string
  readonly image: string
}

export function unpackedKernel(debian: Debian): Kernel {
  const found = debian.kernel()
  const folder = join(CACHE, 'built', `kernel_${found.version}`)
  if (!existsSync(folder)) {
    unpack([found], `${folder}.partial`)
    runTool('mv', [`${folder}.partial`, folder])
  }
  const version = readdirSync(join(folder, 'usr/lib/modules'))[0]
  if (version === undefined) throw new HomewardError('INTERNAL', `${found.file} holds no modules`)
  runTool('depmod', ['-b', folder, version])
  return { package: found, version, folder, image: join(folder, `boot/vmlinuz-${version}`) }
}

/** Copies modules with their dependencies into `root`. `names` may have options behind them. */
export function addModules(kernel: Kernel, names: readonly string[], root: string): void {
  const base = join('usr/lib/modules', kernel.version)
  const wanted = names.map((line) => line.split(' ')[0] ?? '')
  const shown = runTool('modprobe', ['-a', '-d', kernel.folder, '-S', kernel.version, '--show-depends', ...wanted])
  for (const [, path = ''] of shown.matchAll(/^insmod (\S+)/gm)) {
    const inside = path.slice(
      path.indexOf(`/lib/modules/${kernel.version}/`) + `/lib/modules/${kernel.version}/`.length,
    )
    mkdirSync(dirname(join(root, base, inside)), { recursive: true })
    cpSync(join(kernel.folder, base, inside), join(root, base, inside))
  }
  for (const list of ['modules.builtin', 'modules.builtin.modinfo', 'modules.order']) {
    cpSync(join(kernel.folder, base, list), join(root, base, list))
  }
  runTool('depmod', ['-b', root, kernel.version])
}

export function deviceTree(kernel: Kernel, name: string): string {
  const path = join(kernel.folder, 'usr/lib', `linux-image-${kernel.version}`, name)
  if (existsSync(path)) return path
  throw new HomewardError('CONFIG_INVALID', `Debian's kernel ${kernel.version} has no device tree ${name}`)
}
