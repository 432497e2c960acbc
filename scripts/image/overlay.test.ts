/** Scripts of the overlay run under BusyBox ash: their syntax is read by it, and those that decide something are tried. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SOURCE } from './places.ts'

const OVERLAY = join(SOURCE, 'rootfs-overlay')
const SCRIPTS = readdirSync(OVERLAY, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name))
  .filter((path) => readFileSync(path, 'utf8').startsWith('#!/bin/sh'))

/** Those of the build host, and what others read in. */
const ELSEWHERE = readdirSync(join(SOURCE, 'scripts'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name))
  .filter((path) => readFileSync(path, 'utf8').startsWith('#!/bin/sh'))
  .concat(join(SOURCE, '.ci/run'), join(OVERLAY, 'common/usr/lib/homeward/functions'))

test('ash reads every script', () => {
  assert.ok(SCRIPTS.length > 15 && ELSEWHERE.length > 6)
  for (const path of [...SCRIPTS, ...ELSEWHERE]) {
    const { status, stderr } = spawnSync('busybox', ['ash', '-n', path], { encoding: 'utf8' })
    assert.is(status, 0, `${path}: ${stderr}`)
  }
})

test('scripts are of ASCII, and may be executed', () => {
  for (const path of SCRIPTS) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII begins there
    assert.ok(/^[\x00-\x7f]*$/.test(readFileSync(path, 'latin1')), path)
    assert.is(spawnSync('test', ['-x', path]).status, 0, path)
  }
})

/** Runs a script of the overlay with a folder in place of the root, and programs of `fakes` before all others. */
function run(script: string, args: readonly string[], root: string, fakes: Record<string, string>, input = '') {
  const bin = join(root, 'bin')
  mkdirSync(bin, { recursive: true })
  for (const [name, text] of Object.entries(fakes)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`)
    chmodSync(join(bin, name), 0o755)
  }
  const functions = join(root, 'functions')
  const moved = (text: string) =>
    text
      .replaceAll('/usr/lib/homeward/functions', functions)
      .replaceAll('/proc/', `${root}/proc/`)
      .replaceAll('/run/homeward', `${root}/run`)
      .replaceAll('/sys/block', `${root}/sys/block`)
      .replaceAll('/sys/class/block', `${root}/sys/class/block`)
      .replaceAll('DATA=/data', `DATA=${root}/data`)
      .replaceAll('/dev/${', `${root}/dev/\${`)
      // Debian's BusyBox takes its own before others.
      .replaceAll('mke2fs -q', `${bin}/mke2fs -q`)
      .replaceAll('mount -t', `${bin}/mount -t`)
      .replaceAll('/etc/homeward/image', `${root}/etc/image`)
      .replaceAll('exec sleep', 'echo slept')
      // Not in any way: BusyBox has a program of that name inside.
      .replaceAll('exec reboot', 'echo started again')
      .replaceAll('export PATH=', `export PATH=${bin}:`)
  writeFileSync(functions, moved(readFileSync(join(OVERLAY, 'common/usr/lib/homeward/functions'), 'utf8')))
  const copy = join(root, 'script')
  writeFileSync(copy, moved(readFileSync(join(OVERLAY, script), 'utf8')))
  const { status, stdout, stderr } = spawnSync('busybox', ['ash', copy, ...args], {
    encoding: 'utf8',
    cwd: root,
    input,
    env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
  })
  return { status, stdout: stdout.trim(), stderr: stderr.trim() }
}

function withRoot(work: (root: string) => void): void {
  const root = mkdtempSync(join(tmpdir(), 'homeward-'))
  try {
    for (const folder of ['proc', 'run']) mkdirSync(join(root, folder))
    work(root)
  } finally {
    rmSync(root, { recursive: true })
  }
}

const SLOT = 'common/usr/sbin/homeward-slot'

/** U-Boot's settings as files: two copies, each NAME=VALUE lines, `broken` when its checksum is wrong. */
const BOOT_TOOLS = {
  fw_printenv:
    'copy=$(cut -d" " -f2 "$2"); if [ $# -eq 2 ]; then grep . "$PWD/state-$copy"; else sed -n "s/^$4=//p" "$PWD/state-$copy" | grep .; fi',
  fw_setenv: 'copy=$(cut -d" " -f2 "$2"); cp "$4" "$PWD/state-$copy"; echo "$copy" >>"$PWD/writes"',
  fsync: 'exit 0',
}

function withSlots(running: string, state: string, work: (slot: (word: string) => string, root: string) => void): void {
  withRoot((root) => {
    writeFileSync(join(root, 'proc/cmdline'), `console=x homeward.slot=${running} ro\n`)
    writeFileSync(join(root, 'run/system-disk'), '/dev/mmcblk0\n')
    for (const copy of ['0x80000', '0xc0000']) writeFileSync(join(root, `state-${copy}`), state)
    work((word) => {
      const { status, stdout, stderr } = run(SLOT, [word], root, BOOT_TOOLS)
      return status === 0 ? stdout : `failed: ${stdout}${stderr}`
    }, root)
  })
}

const QUIET = 'hw_slot=A\nhw_try=none\nhw_left=0\n'

test('homeward-slot: what runs, what is the other, and its device', () => {
  withSlots('A', QUIET, (slot) => {
    assert.equal(['current', 'other', 'device', 'trial', 'pending'].map(slot), ['A', 'B', '/dev/mmcblk0p3', 'no', 'no'])
  })
  withSlots('B', 'hw_slot=A\nhw_try=B\nhw_left=0\n', (slot) => {
    assert.equal(['current', 'other', 'device', 'trial', 'pending'].map(slot), [
      'B',
      'A',
      '/dev/mmcblk0p2',
      'yes',
      'no',
    ])
  })
})

test('homeward-slot: a new system is tried once, and kept when it is good; both copies are written, one after the other', () => {
  withSlots('A', QUIET, (slot, root) => {
    assert.is(slot('try'), '')
    assert.is(readFileSync(join(root, 'state-0x80000'), 'utf8'), 'hw_slot=A\nhw_try=B\nhw_left=1\n')
    assert.is(slot('pending'), 'yes')
    assert.is(slot('good'), '')
    assert.is(readFileSync(join(root, 'state-0xc0000'), 'utf8'), QUIET)
    assert.is(readFileSync(join(root, 'writes'), 'utf8'), '0x80000\n0xc0000\n0x80000\n0xc0000\n')
  })
})

test('homeward-slot: one copy that a power cut broke does no harm, two are told', () => {
  withSlots('A', QUIET, (slot, root) => {
    writeFileSync(join(root, 'state-0x80000'), '')
    assert.is(slot('trial'), 'no')
    writeFileSync(join(root, 'state-0xc0000'), '')
    assert.match(slot('trial'), /neither copy of the boot loader's settings on \/dev\/mmcblk0 is whole/)
  })
})

test('homeward-slot: one that cannot even be read, which the boot loader passed over, does not wait for a start', () => {
  withSlots('A', 'hw_slot=A\nhw_try=B\nhw_left=0\n', (slot) => assert.is(slot('pending'), 'no'))
  withSlots('A', 'hw_slot=A\nhw_try=B\nhw_left=1\n', (slot) => assert.is(slot('pending'), 'yes'))
})

test('homeward-slot: the copy that a cut broke is written first, for the other is all there is', () => {
  withSlots('A', QUIET, (slot, root) => {
    writeFileSync(join(root, 'state-0xc0000'), '')
    slot('try')
    assert.is(readFileSync(join(root, 'writes'), 'utf8'), '0xc0000\n0x80000\n')
  })
})

test('homeward-slot mend: after a cut between the copies both say what the boot loader took; whole ones are not written', () => {
  const kept = 'hw_slot=B\nhw_try=none\nhw_left=0\n'
  for (const [first, second, expected] of [
    [kept, 'hw_slot=A\nhw_try=B\nhw_left=0\n', kept],
    ['', kept, kept],
    [kept, '', kept],
    ['', '', kept],
  ] as const) {
    withSlots('B', kept, (slot, root) => {
      writeFileSync(join(root, 'state-0x80000'), first)
      writeFileSync(join(root, 'state-0xc0000'), second)
      assert.match(slot('mend'), /are whole again/)
      for (const copy of ['0x80000', '0xc0000']) assert.is(readFileSync(join(root, `state-${copy}`), 'utf8'), expected)
      rmSync(join(root, 'writes'))
      assert.is(slot('mend'), '')
      assert.not.ok(existsSync(join(root, 'writes')))
    })
  }
})

test('the data partition is made once, from the end of the slots to the end of the disk', () => {
  withRoot((root) => {
    const disk = join(root, 'disk.img')
    const end = 64 * 2048
    const slots = [`start=${end / 4}, size=${end / 8}, type=83`, `start=${(end / 8) * 3}, size=${end / 8}, type=83`]
    const table = ['label: dos', 'start=8192, size=2048, type=c', ...slots, ''].join('\n')
    spawnSync('truncate', ['-s', '64M', disk])
    assert.is(spawnSync('sfdisk', ['--quiet', disk], { input: table }).status, 0)
    writeFileSync(join(root, 'run/system-disk'), `${disk}\n`)
    const third = join(root, 'sys/class/block/disk.img3')
    mkdirSync(third, { recursive: true })
    writeFileSync(join(third, 'start'), `${(end / 8) * 3}\n`)
    writeFileSync(join(third, 'size'), `${end / 8}\n`)
    const tools = { partx: 'exit 0', mke2fs: 'exit 0', e2fsck: 'exit 0', mount: 'exit 0' }
    assert.is(run('common/usr/lib/homeward/data', [], root, tools).status, 0)
    const { stdout } = spawnSync('sfdisk', ['--dump', disk], { encoding: 'utf8' })
    const [, start, size] = /img4 : start= *(\d+), size= *(\d+)/.exec(stdout) ?? []
    assert.equal([Number(start), Number(start) + Number(size)], [end / 2, end], stdout)
  })
})

test('the start script of a system that is there: started once, stopped for good', () => {
  withRoot((root) => {
    const supervise = join(root, 'supervise')
    const log = join(root, 'log')
    writeFileSync(supervise, `#!/bin/sh\ntrap 'echo stopped; exit 0' TERM\necho started\nwhile :; do sleep 0.1; done\n`)
    chmodSync(supervise, 0o755)
    const path = join(root, 'S95homeward')
    const text = readFileSync(join(OVERLAY, 'existing/etc/init.d/S95homeward'), 'utf8')
      .replaceAll('/run/homeward.pid', join(root, 'pid'))
      .replaceAll('/usr/lib/homeward/supervise', supervise)
      .replaceAll('logger -t homeward', `cat >>${log}`)
    writeFileSync(path, text)
    const call = (word: string) => spawnSync('busybox', ['ash', path, word], { encoding: 'utf8', timeout: 20_000 })
    const logged = (lines: number) => {
      const found = () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [])
      for (let turn = 0; found().length < lines && turn < 100; turn++) spawnSync('sleep', ['0.05'])
      return found().join()
    }
    assert.is(call('stop').status, 0)
    assert.is(call('start').status, 0)
    assert.is(logged(1), 'started')
    assert.match(call('start').stdout, /runs already/)
    assert.is(call('stop').status, 0)
    assert.is(logged(2), 'started,stopped')
    assert.not.ok(existsSync(join(root, 'pid')))
    assert.is(call('').status, 2)
  })
})

/** What SWUpdate 2022.12 writes, and what whoever sent the update reads. */
const REASONS: [string, RegExp][] = [
  ['Authentication of all signatures failed', /^it is not signed with the key that this device trusts/],
  ['SW not compatible with hardware', /^it is for another board, expected one for qemu\/camera$/],
  [
    'No downgrading allowed: new version 0.0.0.1 <= installed 0.1.0.5',
    /^it is version 0\.0\.0\.1, older than 0\.1\.0\.5/,
  ],
  [
    'No reinstalling allowed: new version 0.1.0.5 == installed 0.1.0.5',
    /^it is version 0\.1\.0\.5, which runs here already/,
  ],
  ['HASH mismatch : a7d3 <--> efd0', /^it did not arrive whole; send it again$/],
  ["ZSTD_decompressStream failed: Restored data doesn't match checksum", /^it did not arrive whole/],
  ['Checksum WRONG ! Computed 0x362b, it should be 0x712d', /^it did not arrive whole/],
  ['CPIO Format not recognized: magic not found', /^it did not arrive whole/],
  ['something new', /^something new$/],
]
const UPDATE_TOOLS = {
  'homeward-slot':
    'case $1 in current) echo A ;; trial) echo no ;; pending) cat "$PWD/pending" ;; *) echo /dev/x ;; esac',
  flock: 'exit 0',
}

function withUpdate(pending: string, swupdate: string, input: string): string {
  let said = ''
  withRoot((root) => {
    mkdirSync(join(root, 'etc'))
    writeFileSync(join(root, 'etc/image'), 'BOARD=qemu/camera\nROLE=camera\nVERSION=0.1.0.5\n')
    writeFileSync(join(root, 'pending'), pending)
    const tools = { ...UPDATE_TOOLS, swupdate: `cat >/dev/null; ${swupdate}` }
    said = run('common/usr/sbin/homeward-update', [], root, tools, input).stdout
  })
  return said
}

for (const [logged, words] of REASONS) {
  test(`homeward-update says why: ${logged.slice(0, 30)}`, () => {
    const log = `echo '[ERROR] : SWUPDATE failed [0] ERROR : ${logged.replaceAll("'", "'\\''")}'`
    const said = withUpdate('no', `${log}; exit 1`, '0707').split('\n')
    assert.is(said[0], 'HOMEWARD qemu/camera 0.1.0.5 slot=A trial=no')
    assert.match(said.at(-1)?.replace(/^ERR /, '') ?? '', words)
  })
}

test('homeward-update: what is no update, or comes while one waits, never reaches the updater', () => {
  assert.match(withUpdate('no', 'echo reached', 'GET / HTTP/1.1'), /\nERR that is no update$/)
  assert.match(withUpdate('yes', 'echo reached', '0707'), /\nERR an update is written and waits for the next start$/)
})

const DISK = 'common/usr/sbin/homeward-disk'
/** A storage device with one disk of 8 MB in a file; blkid finds what its file `signature` says. */
const DISK_TOOLS = {
  blkid: 'if [ "$3" = full ]; then cat "$PWD/signature"; else sed -n "s/^$5=//p" "$PWD/signature"; fi 2>/dev/null',
  wipefs: 'echo "wipefs $*" >>"$PWD/done"',
  mke2fs: 'echo mke2fs >>"$PWD/done"',
  flock: 'exit 0',
  sync: 'exit 0',
}

function withDisk(signature: string, work: (disk: (...args: string[]) => string, root: string) => void): void {
  withRoot((root) => {
    for (const folder of ['sys/block/sda', 'dev', 'etc']) mkdirSync(join(root, folder), { recursive: true })
    writeFileSync(join(root, 'sys/block/sda/size'), '16384\n')
    writeFileSync(join(root, 'sys/block/sda/removable'), '0\n')
    writeFileSync(join(root, 'dev/sda'), new Uint8Array(8 << 20))
    writeFileSync(join(root, 'etc/image'), 'ROLE=storage\nDISKS=sd*\n')
    writeFileSync(join(root, 'run/system-disk'), '/dev/vda\n')
    writeFileSync(join(root, 'proc/mounts'), '')
    writeFileSync(join(root, 'signature'), signature)
    work((...args) => {
      const { status, stdout, stderr } = run(DISK, args, root, DISK_TOOLS)
      return `${status} ${stdout}${stderr}`.replaceAll(root, '').trim()
    }, root)
  })
}

test('homeward-disk: an empty disk is made ready when told to, and handed to the service', () => {
  withDisk('', (disk, root) => {
    assert.is(disk('list'), '0 /dev/sda 8 MB -: empty')
    writeFileSync(join(root, 'proc/uptime'), '5.00 1.00\n')
    assert.match(disk('prepare', `${root}/dev/sda`), /^0 homeward: making \/dev\/sda ready/)
    assert.match(readFileSync(join(root, 'done'), 'utf8'), /^wipefs .*\nmke2fs\n$/)
    assert.is(readFileSync(join(root, 'run/disk-prepared'), 'utf8'), '5.00 1.00\n')
  })
})

test('homeward-disk: one with anything on it only with --erase, one in use never', () => {
  withDisk('TYPE=vfat\nLABEL=photos\n', (disk, root) => {
    assert.is(disk('list'), '0 /dev/sda 8 MB photos: has something on it')
    const refused = /^3 homeward: \/dev\/sda has something on it; to use it, and lose that for good, add --erase$/
    assert.match(disk('prepare', `${root}/dev/sda`), refused)
    assert.match(disk('prepare', `${root}/dev/sdb`, '--erase'), /^3 homeward: \/dev\/sdb is no disk for footage/)
    writeFileSync(join(root, 'proc/mounts'), `${root}/dev/sda /srv/homeward ext4 rw 0 0\n`)
    assert.is(disk('list'), '0 /dev/sda 8 MB photos: in use')
    assert.match(disk('prepare', `${root}/dev/sda`, '--erase'), /^3 homeward: \/dev\/sda is in use$/)
    assert.not.ok(existsSync(join(root, 'done')))
    writeFileSync(join(root, 'proc/mounts'), '')
    writeFileSync(join(root, 'proc/uptime'), '5.00 1.00\n')
    assert.match(disk('prepare', `${root}/dev/sda`, '--erase'), /^0 /)
  })
})

test('a service that ends soon is started again later and later, at most a minute apart', () => {
  withRoot((root) => {
    mkdirSync(join(root, 'supervise'))
    let uptime = 1000
    const pauses: number[] = []
    for (const ran of [5, 5, 5, 5, 5, 5, 5, 5, 5, 40, 5]) {
      uptime += ran
      writeFileSync(join(root, 'proc/uptime'), `${uptime}.25 1.0\n`)
      const { stdout } = run('common/usr/lib/homeward/back-off', ['1'], root, {})
      const slept = Number(/slept (\d+)/.exec(stdout)?.[1])
      pauses.push(slept)
      uptime += slept
    }
    assert.equal(pauses, [0, 1, 2, 4, 8, 16, 32, 60, 60, 0, 1])
  })
})

test.run()
