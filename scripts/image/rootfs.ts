/**
 * `make BOARD=… rootfs ROOTFS=DIR`: lays Homeward into the root filesystem of a system that is there already (a vendor's SDK, a
 * distribution's). Everything of ours is in usr/lib/homeward, usr/bin/homeward, etc/homeward and one start script. Expects dist/.
 */
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { namedBoard } from './boards.ts'
import { builtFfmpeg } from './cross-built.ts'
import { Debian, unpack } from './debian.ts'
import { existingRoot } from './existing-root.ts'
import { reportFailure } from './failure.ts'
import { collectLicences } from './licences.ts'
import { SOURCE, workFolder } from './places.ts'
import { imageFacts } from './root.ts'
import { addProgram, fetchedNode } from './runtime.ts'
import { sourceVersion } from './version.ts'

const EXISTING = join(SOURCE, 'rootfs-overlay/existing')
/** Shipped along: many SDKs have an older one, or none. */
const LIBRARIES = ['libstdc++6', 'libgcc-s1']

try {
  const named = namedBoard(process.argv[2])
  const root = existingRoot(process.argv[3] ?? '')
  const { board } = named
  const version = sourceVersion()
  const home = join(root, 'usr/lib/homeward')
  // All that may fail for want of a network comes first: what stands in the root until then stays as it is.
  const node = fetchedNode()
  const debian = new Debian()
  const withFfmpeg = board.role === 'camera' && board.capture.ffmpeg === undefined && board.capture.profile !== 'fake'
  const ffmpeg = withFfmpeg ? builtFfmpeg(debian, false) : undefined
  const libraries = debian.exactly(LIBRARIES)
  const stage = join(workFolder(named.id), 'libraries')
  rmSync(stage, { recursive: true, force: true })
  unpack(libraries, stage)

  rmSync(home, { recursive: true, force: true })
  mkdirSync(join(home, 'bin'), { recursive: true })
  cpSync(node.program, join(home, 'bin/node'))
  const npm = await addProgram(home)
  if (ffmpeg !== undefined) cpSync(join(ffmpeg.folder, 'ffmpeg'), join(home, 'bin/ffmpeg'))
  cpSync(join(stage, 'usr/lib/aarch64-linux-gnu'), join(home, 'lib'), { recursive: true, verbatimSymlinks: true })

  cpSync(EXISTING, root, { recursive: true, filter: (path) => !isOtherInit(path, root) })
  if (isSystemd(root)) enable(root)
  mkdirSync(join(home, 'board', named.id), { recursive: true })
  cpSync(named.path, join(home, 'board', named.id, 'board.toml'))
  mkdirSync(join(root, 'etc/homeward'), { recursive: true })
  cpSync(named.path, join(root, 'etc/homeward/board.toml'))
  writeFileSync(join(root, 'etc/homeward/image'), imageFacts(named, version))
  const built = ffmpeg === undefined ? {} : { ffmpeg }
  collectLicences({ debian: libraries, stage, node: node.licence, npm, built }, join(home, 'licences'))

  process.stdout.write(
    `Homeward ${version.text} for ${named.id} is in ${root}; it starts with ${isSystemd(root) ? 'systemd (homeward.service)' : '/etc/init.d/S95homeward'}.\n`,
  )
} catch (error) {
  reportFailure(error)
}

function isSystemd(root: string): boolean {
  return ['lib/systemd/systemd', 'usr/lib/systemd/systemd'].some((path) => existsSync(join(root, path)))
}

/** A start script for each kind of system; a system has one. */
function isOtherInit(path: string, root: string): boolean {
  return isSystemd(root) ? path.endsWith('/init.d') : path.endsWith('/etc/systemd')
}

function enable(root: string): void {
  const link = join(root, 'etc/systemd/system/multi-user.target.wants/homeward.service')
  mkdirSync(dirname(link), { recursive: true })
  rmSync(link, { force: true })
  symlinkSync('/etc/systemd/system/homeward.service', link)
}
