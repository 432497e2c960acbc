/**
 * `make BOARD=… rootfs ROOTFS=DIR`: lays Homeward into the root filesystem of a system that is there already (a vendor's SDK, a
 * distribution's). Everything of ours is in usr/lib/homeward, usr/bin/homeward, etc/homeward and one start script. Expects dist/.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { HomewardError } from '../../firmware/wire/errors.ts'
import { namedBoard } from './boards.ts'
import { builtFfmpeg } from './cross-built.ts'
import { Debian, unpack } from './debian.ts'
import { reportFailure } from './failure.ts'
import { collectLicences } from './licences.ts'
import { OUT, SOURCE, workFolder } from './places.ts'
import { imageFacts } from './root.ts'
import { addProgram, fetchedNode } from './runtime.ts'
import { sourceVersion } from './version.ts'

const EXISTING = join(SOURCE, 'rootfs-overlay/existing')
/** What Node.js asks for. */
const GLIBC_LEAST = 2.28
/** Shipped along: many SDKs have an older one, or none. */
const LIBRARIES = ['libstdc++6', 'libgcc-s1']

try {
  const named = namedBoard(process.argv[2])
  const root = checkedRoot(process.argv[3] ?? '')
  const { board } = named
  const version = sourceVersion()
  const home = join(root, 'usr/lib/homeward')
  rmSync(home, { recursive: true, force: true })
  mkdirSync(join(home, 'bin'), { recursive: true })

  const node = fetchedNode()
  cpSync(node.program, join(home, 'bin/node'))
  const npm = await addProgram(home)
  const debian = new Debian()
  const withFfmpeg = board.role === 'camera' && board.capture.ffmpeg === undefined && board.capture.profile !== 'fake'
  const ffmpeg = withFfmpeg ? builtFfmpeg(debian, false) : undefined
  if (ffmpeg !== undefined) cpSync(join(ffmpeg.folder, 'ffmpeg'), join(home, 'bin/ffmpeg'))
  const libraries = debian.exactly(LIBRARIES)
  const stage = join(workFolder(named.id), 'libraries')
  rmSync(stage, { recursive: true, force: true })
  unpack(libraries, stage)
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

/** Throws USAGE, or CONFIG_INVALID for a folder that is no arm64 root with a glibc that is new enough. */
function checkedRoot(name: string): string {
  if (name === '') throw new HomewardError('USAGE', 'no root filesystem is named, expected ROOTFS=DIR')
  const root = resolve(name)
  if (!existsSync(root) || !statSync(root).isDirectory()) {
    throw new HomewardError('USAGE', `${root} is not a folder, expected the root filesystem of a board`)
  }
  if (realpathSync(root) === '/') throw new HomewardError('USAGE', `${root} is this machine's own root filesystem`)
  if (OUT.startsWith(realpathSync(root))) throw new HomewardError('USAGE', `${root} holds this source tree`)
  const loader = ['lib', 'usr/lib', 'lib64', 'usr/lib64'].map((folder) => join(root, folder, 'ld-linux-aarch64.so.1'))
  if (!loader.some((path) => existsSync(path))) {
    throw new HomewardError('CONFIG_INVALID', `${root} is not the root of a 64-bit ARM system with glibc`, {
      hint: 'Expected lib/ld-linux-aarch64.so.1 in there. Systems with musl, and 32-bit ones, cannot run Homeward.',
    })
  }
  const version = glibcVersion(root)
  if (version !== undefined && older(version, GLIBC_LEAST)) {
    throw new HomewardError('CONFIG_INVALID', `${root} has glibc ${version}, expected ${GLIBC_LEAST} or newer`)
  }
  return root
}

function glibcVersion(root: string): string | undefined {
  const places = ['lib', 'lib64', 'usr/lib', 'usr/lib64', 'lib/aarch64-linux-gnu', 'usr/lib/aarch64-linux-gnu']
  const path = places.map((folder) => join(root, folder, 'libc.so.6')).find((candidate) => existsSync(candidate))
  if (path === undefined) return undefined
  return /GNU C Library .* version (\d+\.\d+)/.exec(readFileSync(path).toString('latin1'))?.[1]
}

function older(version: string, least: number): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [leastMajor = 0, leastMinor = 0] = `${least}`.split('.').map(Number)
  return major < leastMajor || (major === leastMajor && minor < leastMinor)
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
