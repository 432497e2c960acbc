/** An update as SWUpdate takes it: a signed description, then the slot's bytes. */
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HomewardError } from '../../firmware/wire/errors.ts'
import { folderName, imageFolder } from '../image/places.ts'
import { runForBytes, runTool } from '../image/tool.ts'
import type { UpdateKey } from './key.ts'

export interface Bundle {
  readonly bytes: Uint8Array
  readonly version: string
}

/** Throws CONFIG_INVALID when no image was built. */
export function bundleOf(board: string, key: UpdateKey): Bundle {
  const folder = imageFolder(board)
  if (!existsSync(join(folder, 'slot.ext4'))) {
    throw new HomewardError('CONFIG_INVALID', `there is no image of ${board} to update with`, {
      hint: `make BOARD=${board} image`,
    })
  }
  const version = readFileSync(join(folder, 'version.txt'), 'utf8').trim()
  return { bytes: makeBundle({ board, version, slot: join(folder, 'slot.ext4'), key }), version }
}

export interface BundleParts {
  readonly board: string
  readonly version: string
  /** The file of a slot. */
  readonly slot: string
  readonly key: UpdateKey
}

export function makeBundle({ board, version, slot, key }: BundleParts): Uint8Array {
  const work = mkdtempSync(join(tmpdir(), 'homeward-'))
  try {
    const payload = runForBytes('zstd', ['-q', '-6', '-T1', '--no-progress', '-c', slot])
    writeFileSync(join(work, 'slot.ext4.zst'), payload)
    writeFileSync(join(work, 'sw-description'), description(board, version, payload))
    const sign = ['cms', '-sign', '-in', 'sw-description', '-out', 'sw-description.sig', '-outform', 'DER', '-binary']
    runTool('openssl', [...sign, '-signer', key.certificate, '-inkey', key.key, '-nosmimecap', '-md', 'sha256'], {
      cwd: work,
    })
    const files = 'sw-description\nsw-description.sig\nslot.ext4.zst\n'
    return runForBytes('cpio', ['--quiet', '--reproducible', '-o', '-H', 'crc'], { cwd: work, input: files })
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function description(board: string, version: string, payload: Uint8Array): string {
  const sum = createHash('sha256').update(payload).digest('hex')
  return `software = {
  version = "${version}";
  description = "Homeward for ${board}";
  hardware-compatibility: ["${folderName(board)}"];
  images: ({
    filename = "slot.ext4.zst";
    type = "raw";
    device = "/run/homeward/other-slot";
    compressed = "zstd";
    installed-directly = true;
    sha256 = "${sum}";
  });
};
`
}
