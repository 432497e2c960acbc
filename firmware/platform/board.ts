/**
 * What a board is: `board.toml`, data only, one schema. On a device the file is /etc/homeward/board.toml; in the source tree
 * board/VENDOR/BOARD/board.toml. Whatever is specific to a board stands there and nowhere else.
 */
import { readFile } from 'node:fs/promises'
import { parse, TomlError } from 'smol-toml'
import * as v from 'valibot'
import { HomewardError, systemCode } from '../wire/errors.ts'

const BOARD_FILE = '/etc/homeward/board.toml'

/**
 * How pictures come about: compressed by the camera itself, by the chip's encoder (a V4L2 memory-to-memory device, or
 * Rockchip's), by a vendor's program that serves RTSP, by x264 for tests, or not at all.
 */
export const CAPTURE_PROFILES = ['v4l2-copy', 'v4l2-m2m', 'rkmpp', 'rtsp-copy', 'test', 'fake'] as const
export type CaptureProfile = (typeof CAPTURE_PROFILES)[number]

const Text = v.pipe(v.string(), v.nonEmpty('expected some text'))
const Port = v.pipe(
  v.string(),
  v.regex(/^(?:tty[A-Za-z]+|pts\/)\d+$/, 'expected the name of a serial port, such as ttyS0'),
)
const Count = (least: number, most: number) =>
  v.pipe(v.number(), v.integer('expected a whole number'), v.minValue(least), v.maxValue(most))
const Line = v.strictObject({
  /** Label of the GPIO chip: numbers of chips change from one kernel to the next. */
  chip: Text,
  line: Count(0, 511),
  'active-low': v.optional(v.boolean(), false),
})

const Serial = v.strictObject({
  /** Where the kernel's messages go. */
  kernel: Port,
  /** Where the line console is; the same port when the board has one only. */
  console: Port,
  baud: v.picklist([9600, 57_600, 115_200, 1_500_000], 'expected 9600, 57600, 115200 or 1500000'),
  /** A root shell on the kernel's port, without a password: emulators only. */
  shell: v.optional(v.boolean(), false),
})

const Image = v.strictObject({
  'boot-chain': v.picklist(['qemu-arm64', 'raspberrypi'], 'expected qemu-arm64 or raspberrypi'),
  /** Below /usr/lib/linux-image-VERSION; absent where the boot chain hands one over. */
  'device-tree': v.optional(v.pipe(v.string(), v.endsWith('.dtb'))),
  /** Room for one slot: kernel, device tree, initrd and root. */
  'slot-mib': Count(64, 4096),
  /** What the compressed root may take. */
  'root-cap-mib': Count(16, 4096),
  /** Of Debian, besides what all boards have. */
  packages: v.optional(v.array(Text), []),
  /** Paths that are kept of them; absent: all. */
  keep: v.optional(v.array(Text), []),
  /** Kernel modules that find the system's disk. */
  'modules-initrd': v.array(Text),
  /** Kernel modules loaded at the start, with their options behind them. */
  modules: v.array(Text),
})

/** Where things are in a root filesystem that was there before. */
const Rootfs = v.strictObject({
  /** Keys, pairings, settings: on something that is kept. */
  state: v.pipe(v.string(), v.startsWith('/')),
  /** Where that system mounts the card or disk for footage. */
  footage: v.pipe(v.string(), v.startsWith('/')),
})

const Card = v.variant('on', [
  /** The ring is a folder of the system's own card. */
  v.strictObject({ on: v.literal('system'), 'ring-size': v.optional(Text) }),
  /** A card in a slot of its own, as the kernel names such: mmcblk. */
  v.strictObject({ on: v.literal('slot'), devices: v.pipe(v.array(Text), v.minLength(1)) }),
])

const Common = {
  name: Text,
  soc: Text,
  'memory-mib': Count(256, 65_536),
  /** A whole image where Debian ships the boot chain, else files for a root filesystem that exists. */
  offer: v.picklist(['image', 'rootfs'], 'expected image or rootfs'),
  /** No claim beyond what was done: booted (by the tests, under emulation), built (never started), data (read only). */
  tested: v.picklist(['booted', 'built', 'data'], 'expected booted, built or data'),
  serial: Serial,
  led: v.optional(
    v.union([v.strictObject({ class: Text }), v.strictObject({ gpio: Line })], 'expected class = "NAME" or gpio = {…}'),
  ),
  button: v.optional(
    v.union(
      [v.strictObject({ input: Text, key: Count(1, 767) }), v.strictObject({ gpio: Line })],
      'expected input = "NAME" and key = CODE, or gpio = {…}',
    ),
  ),
  watchdog: v.optional(v.strictObject({ device: Text, 'timeout-s': Count(5, 300) })),
  image: v.optional(Image),
  rootfs: v.optional(Rootfs),
}

const Board = v.pipe(
  v.variant('role', [
    v.strictObject({
      ...Common,
      role: v.literal('camera'),
      capture: v.strictObject({
        profile: v.picklist(CAPTURE_PROFILES, `expected one of ${CAPTURE_PROFILES.join(', ')}`),
        /** As for `homeward camera run --source`. */
        source: Text,
        /** Another ffmpeg than the one in PATH: a vendor's, which knows the chip's encoder. */
        ffmpeg: v.optional(v.pipe(v.string(), v.startsWith('/'))),
      }),
      card: Card,
    }),
    v.strictObject({
      ...Common,
      role: v.literal('storage'),
      /** The disk for the archive: what the kernel calls its kind. */
      disk: v.strictObject({ devices: v.pipe(v.array(Text), v.minLength(1)) }),
    }),
  ]),
  v.check(({ offer, image }) => (offer === 'image') === (image !== undefined), 'offer = "image" goes with [image]'),
  v.check(
    ({ offer, rootfs }) => (offer === 'rootfs') === (rootfs !== undefined),
    'offer = "rootfs" goes with [rootfs]',
  ),
  v.check(({ offer, tested }) => offer === 'image' || tested !== 'booted', 'only an image can have been booted'),
)

export type Board = v.InferOutput<typeof Board>
export type CameraBoard = Extract<Board, { role: 'camera' }>
export type BoardImage = v.InferOutput<typeof Image>

/** Reads the text of a board.toml; `path` is for messages. Throws CONFIG_INVALID naming the key and what was expected. */
export function parseBoard(text: string, path: string): Board {
  let data: unknown
  try {
    data = parse(text)
  } catch (cause) {
    const at = cause instanceof TomlError ? `, line ${cause.line}, column ${cause.column}` : ''
    throw new HomewardError('CONFIG_INVALID', `${path}${at}: not valid TOML`, { cause })
  }
  const result = v.safeParse(Board, data)
  if (result.success) return result.output
  const issue = result.issues[0]
  const key = v.getDotPath(issue) ?? 'the file'
  throw new HomewardError('CONFIG_INVALID', `${path}: ${key}: ${issue.message}`, {
    hint: 'docs/boards.md describes every key.',
  })
}

/** Throws CONFIG_INVALID. */
export async function readBoard(path: string = BOARD_FILE): Promise<Board> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    const why = systemCode(cause) === 'ENOENT' ? 'does not exist' : `cannot be read (${systemCode(cause)})`
    throw new HomewardError('CONFIG_INVALID', `the board file ${path} ${why}`, {
      hint: `An image has it at ${BOARD_FILE}; \`make list\` shows the boards of the source tree.`,
      cause,
    })
  }
  return parseBoard(text, path)
}
