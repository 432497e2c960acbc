/** The system of an image with something changed in it, as an update would bring it: another version, or one that does not work. */
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runTool } from '../image/tool.ts'

/** `change` gets the root as a folder. The file that results: `folder`/`name`.ext4. */
export function alteredSlot(slot: string, folder: string, name: string, change: (root: string) => void): string {
  const packed = join(folder, `${name}.squashfs`)
  const root = join(folder, `${name}.root`)
  const altered = join(folder, `${name}.ext4`)
  rmSync(packed, { force: true })
  runTool('debugfs', ['-R', `dump /root.squashfs ${packed}`, slot])
  runTool('unsquashfs', ['-q', '-n', '-d', root, packed])
  change(root)
  rmSync(packed)
  const fast = ['-comp', 'zstd', '-Xcompression-level', '3', '-b', '256K', '-noappend', '-quiet', '-no-progress']
  runTool('mksquashfs', [root, packed, ...fast])
  copyFileSync(slot, altered)
  runTool('debugfs', ['-w', '-f', '-', altered], { input: `rm /root.squashfs\nwrite ${packed} root.squashfs\n` })
  rmSync(root, { recursive: true })
  rmSync(packed)
  return altered
}

/** The version that the system says it is. */
export function setVersion(root: string, version: string): void {
  const facts = join(root, 'etc/homeward/image')
  writeFileSync(facts, readFileSync(facts, 'utf8').replace(/^VERSION=.*$/m, `VERSION=${version}`))
}

/** The agent's program ends as soon as it is started; everything else works. */
export function breakAgent(root: string): void {
  const words = 'this system was broken on purpose'
  writeFileSync(join(root, 'usr/lib/homeward/dist/cli/main.js'), `console.error('${words}')\nprocess.exit(1)\n`)
}
