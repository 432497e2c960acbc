/** Scripts of the overlay run under BusyBox ash: their syntax is read by it, and those that decide something are tried. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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

test('ash reads every script', () => {
  assert.ok(SCRIPTS.length > 15)
  for (const path of SCRIPTS) {
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
function run(script: string, args: readonly string[], root: string, fakes: Record<string, string>) {
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
      .replaceAll('exec sleep', 'echo slept')
      .replaceAll('export PATH=', `export PATH=${bin}:`)
  writeFileSync(functions, moved(readFileSync(join(OVERLAY, 'common/usr/lib/homeward/functions'), 'utf8')))
  const copy = join(root, 'script')
  writeFileSync(copy, moved(readFileSync(join(OVERLAY, script), 'utf8')))
  const { status, stdout, stderr } = spawnSync('busybox', ['ash', copy, ...args], {
    encoding: 'utf8',
    cwd: root,
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
  fw_printenv: 'copy=$(cut -d" " -f2 "$2"); sed -n "s/^$4=//p" "$PWD/state-$copy" | grep .',
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
