/** `make BOARD=VENDOR/BOARD image`: everything from packages to a file that can be flashed. Expects dist/. */
import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { imageBoard } from './boards.ts'
import { Debian } from './debian.ts'
import { buildDisk, deliver, note } from './disk.ts'
import { reportFailure } from './failure.ts'
import { unpackedKernel } from './kernel.ts'
import { imageFolder, workFolder } from './places.ts'
import { sizeReport } from './report.ts'
import { buildRoot } from './root.ts'
import { buildSlot } from './slot.ts'
import { runTool } from './tool.ts'
import { sourceVersion } from './version.ts'

try {
  const named = imageBoard(process.argv[2])
  const version = sourceVersion()
  const folder = workFolder(named.id)
  const out = imageFolder(named.id)
  mkdirSync(folder, { recursive: true })
  const debian = new Debian()
  const kernel = unpackedKernel(debian)
  const root = await buildRoot(named, debian, kernel, version, folder)
  const slot = buildSlot(named, root, kernel, version, folder)
  const disk = buildDisk(named, slot.file, root, kernel, version, folder)

  rmSync(out, { recursive: true, force: true })
  deliver(disk, out, 'homeward.img')
  deliver(slot.file, out, 'slot.ext4')
  const report = sizeReport(named, root, slot)
  note(out, 'sizes.txt', report)
  note(out, 'parts.txt', `${root.parts.join('\n')}\n`)
  note(out, 'sha256sums', runTool('sha256sum', ['homeward.img', 'slot.ext4'], { cwd: out }))
  note(out, 'version.txt', `${version.text}\n`)
  cpSync(join(root.folder, 'usr/share/licenses'), join(out, 'licences'), { recursive: true })
  process.stdout.write(`${report}\n${join(out, 'homeward.img')}: Homeward ${version.text} for ${named.id}\n`)
} catch (error) {
  reportFailure(error)
}
