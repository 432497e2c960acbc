import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { HomewardError } from '../wire/errors.ts'
import { RealClock } from './clock-real.ts'
import { openPty, type Pty } from './pty-fixture.ts'
import { SerialPortLine } from './serial-port.ts'

function openLine(path: string) {
  const troubles: HomewardError[] = []
  const line = new SerialPortLine({
    path,
    baud: 115200,
    clock: new RealClock(),
    onTrouble: (one) => troubles.push(one),
  })
  return { line, troubles }
}

/** What is sent while the line is being opened may be dropped. */
async function typeUntil(pty: Pty, bytes: string, isHeard: () => boolean): Promise<void> {
  await until(() => {
    pty.write(bytes)
    return isHeard()
  })
}

async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; !isSo(); tries++) {
    if (tries === 500) throw new Error('it never became so')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

test('bytes go both ways', async () => {
  const pty = openPty()
  const { line, troubles } = openLine(pty.path)
  let [atLine, atPty] = ['', '']
  line.onData((bytes) => {
    atLine += Buffer.from(bytes).toString()
  })
  pty.onData((bytes) => {
    atPty += bytes.toString()
  })
  await typeUntil(pty, 'to the line', () => atLine.includes('to the line'))
  line.write(new Uint8Array(Buffer.from('from the line\n')))
  await until(() => atPty === 'from the line\n')
  await line.close()
  await line.close()
  pty.close()
  assert.equal(troubles, [])
})

test('a line that is not there, or is no serial line, is told of once', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'homeward-'))
  await (await open(join(dir, 'plain'), 'w')).close()
  for (const path of [join(dir, 'none'), join(dir, 'plain')]) {
    const { line, troubles } = openLine(path)
    await until(() => troubles.length === 1)
    assert.match(troubles[0]?.message ?? '', new RegExp(`serial line ${path}`))
    line.write(Uint8Array.of(1))
    await line.close()
  }
  await rm(dir, { recursive: true })
})

test('a line that went away is told of', async () => {
  const pty = openPty()
  const { line, troubles } = openLine(pty.path)
  let heard = ''
  line.onData((bytes) => {
    heard += Buffer.from(bytes).toString()
  })
  await typeUntil(pty, 'x', () => heard !== '')
  pty.close()
  await until(() => troubles.length === 1)
  await line.close()
})

test.run()
