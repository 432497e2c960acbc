/** What stands on the first partition: the board's boot chain as Debian ships it, and U-Boot's script. */
import { cpSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ImageBoard } from './boards.ts'
import { Debian, unpack } from './debian.ts'
import { deviceTree, type Kernel } from './kernel.ts'
import { SOURCE } from './places.ts'
import type { BuiltRoot } from './root.ts'
import { runTool } from './tool.ts'
import type { Version } from './version.ts'

const RASPBERRY_PI = 'usr/lib/raspi-firmware'

/** Fills `folder`; the names in it. */
export function bootFiles(
  image: ImageBoard['image'],
  root: BuiltRoot,
  kernel: Kernel,
  version: Version,
  folder: string,
): string[] {
  const script = ['-A', 'arm64', '-T', 'script', '-C', 'none', '-n', 'Homeward', '-d', join(SOURCE, 'board/boot.cmd')]
  runTool('mkimage', [...script, join(folder, 'boot.scr')], { environment: { SOURCE_DATE_EPOCH: `${version.epochS}` } })
  if (image['boot-chain'] === 'raspberrypi') raspberryPi(image, root, kernel, folder)
  return readdirSync(folder).sort()
}

/** The chip's firmware starts U-Boot in place of a kernel, and hands it the device tree that it filled in. */
function raspberryPi(image: ImageBoard['image'], root: BuiltRoot, kernel: Kernel, folder: string): void {
  for (const name of ['bootcode.bin', 'start_x.elf', 'fixup_x.dat']) {
    cpSync(join(root.stage, RASPBERRY_PI, name), join(folder, name))
  }
  const stage = join(root.stage, '..', 'u-boot')
  unpack(new Debian().exactly(['u-boot-rpi']), stage)
  cpSync(join(stage, 'usr/lib/u-boot/rpi_arm64/u-boot.bin'), join(folder, 'u-boot.bin'))
  const tree = image['device-tree']
  if (tree !== undefined) cpSync(deviceTree(kernel, tree), join(folder, tree.slice(tree.lastIndexOf('/') + 1)))
  cpSync(join(SOURCE, 'board/raspberrypi/config.txt'), join(folder, 'config.txt'))
  writeFileSync(join(folder, 'LICENCE.broadcom.txt'), firmwareLicence(root))
}

function firmwareLicence(root: BuiltRoot): string {
  return runTool('cat', [join(root.stage, 'usr/share/doc/raspi-firmware/copyright')])
}
