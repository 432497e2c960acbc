/** Which disks there are, and why one is not written to. The judgement is pure: it works on what lsblk says. */
import { runTool } from '../image/tool.ts'

/** One line of `lsblk --json`; the children are partitions and whatever is built on them. */
export interface BlockDevice {
  readonly path: string
  readonly type: string
  readonly size: number
  readonly ro: boolean
  readonly rm: boolean
  readonly tran: string | null
  readonly model: string | null
  readonly mountpoints: readonly (string | null)[]
  readonly children?: readonly BlockDevice[]
}

const COLUMNS = 'PATH,TYPE,SIZE,RO,RM,TRAN,MODEL,MOUNTPOINTS'
/** The data partition is made behind the image. */
const DATA_LEAST_BYTES = 64 * 2 ** 20
const GIB = 2 ** 30

export function blockDevices(): BlockDevice[] {
  const said = runTool('lsblk', ['--json', '--bytes', '--output', COLUMNS])
  return (JSON.parse(said) as { blockdevices: BlockDevice[] }).blockdevices
}

/** Why an image must not be written there; undefined: it may. `path` without symbolic links. */
export function objection(
  devices: readonly BlockDevice[],
  path: string,
  imageBytes: number,
  fixedToo: boolean,
): string | undefined {
  const disk = devices.find((device) => device.path === path)
  if (disk === undefined) {
    const within = devices.find((device) => withChildren(device).some((part) => part.path === path))
    return within === undefined
      ? `${path} is no disk. ${choice(devices)}`
      : `${path} is a part of ${within.path}, expected the whole disk`
  }
  if (disk.type !== 'disk') return `${path} is a ${disk.type}, expected a disk`
  if (disk.ro) return `${path} is read-only: is the card's lock switch on?`
  const needed = imageBytes + DATA_LEAST_BYTES
  if (disk.size < needed) {
    return `${path} has ${(disk.size / GIB).toFixed(1)} GiB, expected at least ${(needed / GIB).toFixed(1)} GiB`
  }
  if (isOwn(disk)) {
    return `${path} is the disk that this machine runs from. ${choice(devices)}`
  }
  for (const part of withChildren(disk)) {
    const mounted = part.mountpoints.find((place) => place !== null && place !== '')
    if (mounted === '[SWAP]') return `${part.path} is in use as swap`
    if (mounted !== undefined && mounted !== null) return `${part.path} is mounted at ${mounted}: unmount it first`
    if (part !== disk && part.type !== 'part')
      return `${part.path} (${part.type}) is built on ${path}: that disk is in use`
  }
  const takenOut = disk.rm || disk.tran === 'usb' || disk.tran === 'mmc' || /^\/dev\/mmcblk\d+$/.test(path)
  if (!takenOut && !fixedToo) {
    return `${path} (${disk.model ?? 'unknown model'}) is a disk inside this machine, expected a card or a USB disk. If that is what you want: FIXED=yes`
  }
  return undefined
}

function choice(devices: readonly BlockDevice[]): string {
  const others = devices.filter((device) => !isOwn(device))
  const cards = others.filter((device) => objection(others, device.path, 0, false) === undefined)
  if (cards.length === 0) return 'No card or USB disk is plugged in that is not in use.'
  const names = cards.map(({ path, size, model }) => `${path} (${model ?? 'unknown'}, ${(size / GIB).toFixed(1)} GiB)`)
  return `Possible: ${names.join(', ')}`
}

/** This machine's own system is on it. */
function isOwn(disk: BlockDevice): boolean {
  return withChildren(disk).some(({ mountpoints }) => mountpoints.includes('/'))
}

function withChildren(device: BlockDevice): BlockDevice[] {
  return [device, ...(device.children ?? []).flatMap(withChildren)]
}
