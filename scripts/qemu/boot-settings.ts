/**
 * What U-Boot of the virtual boards finds in its flash: to start from the system's disk at once. Its defaults wait 2 s for a key, and
 * look for USB and SCSI disks first; a real board's boot chain knows where its card is.
 */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { crc32 } from 'node:zlib'

/** The second flash bank of QEMU's virt machine. */
const FLASH_BYTES = 64 * 1024 * 1024
/** CONFIG_ENV_SIZE of U-Boot's qemu_arm64. */
const SETTINGS_BYTES = 0x40000

/** Addresses are those of U-Boot's defaults (include/configs/qemu-arm.h): what is written here stands in for all of them. */
const SETTINGS = {
  arch: 'arm',
  baudrate: '115200',
  bootcmd: 'virtio scan; load virtio 0:1 $scriptaddr boot.scr && source $scriptaddr; run distro_failed',
  bootdelay: '0',
  devnum: '0',
  devtype: 'virtio',
  distro_failed: 'sleep 5; reset',
  fdt_high: '0xffffffff',
  initrd_high: '0xffffffff',
  kernel_addr_r: '0x40400000',
  ramdisk_addr_r: '0x44000000',
  scriptaddr: '0x40200000',
  stderr: 'serial',
  stdin: 'serial',
  stdout: 'serial',
}

export function writeBootSettings(path: string): void {
  const bytes = Buffer.alloc(SETTINGS_BYTES)
  const text = Object.entries(SETTINGS)
    .map(([name, value]) => `${name}=${value}\0`)
    .join('')
  bytes.write(`${text}\0`, 4, 'latin1')
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0)
  const file = openSync(path, 'w')
  ftruncateSync(file, FLASH_BYTES)
  writeSync(file, bytes)
  closeSync(file)
}
