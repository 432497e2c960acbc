/** What `make soak` runs: test files and scripts that have a long version, and what makes them long. */

export interface Suite {
  readonly name: string
  /** One line. */
  readonly what: string
  /** A uvu file, or a script whose exit status counts as one test; below the project's folder. */
  readonly file: string
  readonly args?: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** On a slow machine, too. */
  readonly withinS: number
}

export const SUITES: readonly Suite[] = [
  {
    name: 'fuzz',
    what: '10 million inputs through every decoder that meets what others send',
    file: 'firmware/p2p/fuzz.test.ts',
    env: { HOMEWARD_FUZZ: '10000000' },
    withinS: 3600,
  },
  {
    name: 'flood',
    what: '20,000 datagrams of garbage a second for 10 s while a camera streams',
    file: 'firmware/cli/flood.test.ts',
    env: { HOMEWARD_FLOOD_S: '10' },
    withinS: 300,
  },
  {
    name: 'console',
    what: 'a million random bytes, and a million of what people type, into a serial console',
    file: 'scripts/serial/line.test.ts',
    env: { HOMEWARD_CONSOLE_BYTES: '1000000' },
    withinS: 900,
  },
  {
    name: 'console-camera',
    what: "a million random bytes into a camera's serial console",
    file: 'scripts/serial/serial.test.ts',
    env: { HOMEWARD_CONSOLE_BYTES: '1000000' },
    withinS: 900,
  },
  {
    name: 'ring-cuts',
    what: 'the power cut at 10,000 distinct moments of a camera and its card',
    file: 'firmware/camera/ring/ring-crash.test.ts',
    env: { HOMEWARD_CUTS: '10000' },
    withinS: 3600,
  },
  {
    name: 'archive-cuts',
    what: 'the power cut at 10,000 distinct moments of an archive',
    file: 'firmware/storage/archive/archive-crash.test.ts',
    env: { HOMEWARD_CUTS: '10000' },
    withinS: 3600,
  },
  {
    name: 'update-cuts',
    what: 'the power cut at 20 moments of an update, on a virtual camera (needs its image: make BOARD=qemu/camera image)',
    file: 'scripts/qemu/update-cuts-test.ts',
    env: { HOMEWARD_CUTS: '20' },
    withinS: 7200,
  },
  {
    name: 'both-cuts',
    what: 'the power cut at 2,000 distinct moments of both sides together',
    file: 'firmware/storage/both-sides-crash.test.ts',
    env: { HOMEWARD_CUTS: '2000' },
    withinS: 3600,
  },
  {
    name: 'mutations',
    what: 'every rule broken in a copy of the tree, and noticed',
    file: 'scripts/test/mutations.test.ts',
    env: { HOMEWARD_MUTATIONS: 'all' },
    withinS: 3600,
  },
  {
    name: 'kills',
    what: '1,000 kills of the three programs at any moment',
    file: 'firmware/cli/kill.test.ts',
    env: { HOMEWARD_KILLS: '1000' },
    withinS: 3600,
  },
  {
    name: 'matrix',
    what: 'camera, storage device, P2P server and relay killed, stopped and cut off, idle, live and with a backlog',
    file: 'scripts/netlab/kill-matrix.test.ts',
    env: { HOMEWARD_MATRIX: 'all' },
    withinS: 3600,
  },
  {
    name: 'recovery',
    what: 'every fault of a network while a camera streams over it',
    file: 'scripts/netlab/recovery.test.ts',
    env: { HOMEWARD_RECOVERY: 'all' },
    withinS: 3600,
  },
  {
    name: 'moves',
    what: '100 times from a LAN down to a relay and back up',
    file: 'scripts/netlab/moves.test.ts',
    env: { HOMEWARD_MOVES: '100' },
    withinS: 3600,
  },
  {
    name: 'hours',
    what: '12 hours of footage in fake time, with faults from a seed',
    file: 'firmware/storage/hours.test.ts',
    env: { HOMEWARD_HOURS: '12' },
    withinS: 3600,
  },
  {
    name: 'images',
    what: 'two virtual devices from their images, as root: every fault seen from outside, and the updates',
    file: 'scripts/qemu/boot-test.ts',
    args: ['all'],
    env: {},
    withinS: 14_400,
  },
  {
    name: 'programs',
    what: 'the three programs for 10 minutes, with faults from a seed',
    file: 'scripts/soak/programs.ts',
    env: { HOMEWARD_SOAK_MINUTES: '10' },
    withinS: 1200,
  },
]
