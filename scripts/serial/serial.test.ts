// time-out: 180 s
/** The real programs on a board whose serial console is one end of a cable, and at its other end what a person uses. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { randomBelow, seededRandom } from '../../firmware/platform/random.ts'
import { ask } from './dialog.ts'
import { brief, SerialHome } from './serial-home-fixture.ts'

const BYTES = Number(process.env.HOMEWARD_CONSOLE_BYTES ?? 100_000)
const SEED = Number(process.env.HOMEWARD_SEED ?? Date.now() % 1_000_000)
const PROVISION = fileURLToPath(new URL('../provision', import.meta.url))

interface Context {
  serial: SerialHome
}

const test = suite<Context>('serial')

test.before(async (context) => {
  context.serial = await SerialHome.start()
})

test.after(({ serial }) => serial.close())

function provision(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(PROVISION, args, (error, out, err) =>
      resolve({ status: error === null ? 0 : Number(error.code), out, err }),
    )
  })
}

test('before it is set up', async ({ serial }) => {
  await serial.at('camera', async (port) => {
    const cases: [string, RegExp][] = [
      ['help', /^help {2,}this list\n(?:[a-z-]+ .*\n)+OK$/],
      [
        'info',
        /^role: camera\nboard: Test board\ncamera: [A-Z2-7-]+\n(?:.*\n)*node: \d+.*\nmemory: \d+ MiB\nboot: [0-9a-f]{16}\nOK$/,
      ],
      ['status', /^Camera .*\nNot set up: .*\nOK$/],
      ['name', /^ERR NOT_PROVISIONED /],
      ['setup', /^ERR USAGE the setup code is missing\. Type: setup CODE \[NAME\]/],
      ['setup HW1ABC', /^ERR SETUP_CODE_INVALID /],
      ['setup a b c', /^ERR USAGE put a name with spaces in quotes/],
      ['network', /^address: by DHCP\n(?:.*\n)*OK$/],
      ['network static x', /^ERR USAGE "x" is no address/],
      ['network static 192.168.7.2/24 192.168.7.1', /^address: 192\.168\.7\.2\/24, gateway 192\.168\.7\.1, .*\nOK$/],
      ['network dhcp', /^address: by DHCP\nOK$/],
      ['log 3', /^(?:\d\d:\d\d:\d\dZ .*\n){1,3}OK$/],
      ['log none', /^ERR USAGE "none" is no number of lines/],
      ['nonsense', /^ERR USAGE there is no command "nonsense"\. Type: help$/],
      ['reboot', /^starting again\nOK$/],
    ]
    for (const [line, expected] of cases) {
      const answer = brief(await ask(port, line, 10_000))
      assert.match(answer, expected, `${line}: ${answer}`)
    }
  })
})

test('the tools were run, and the settings stand where they look for them', async ({ serial: { home, tools } }) => {
  assert.is(await readFile(join(tools, 'done'), 'utf8'), 'homeward-network apply\nhomeward-network apply\nreboot \n')
  assert.is(await readFile(join(home.folder, 'camera', 'network.conf'), 'utf8'), 'MODE=dhcp\n')
})

for (const role of ['camera', 'storage'] as const) {
  test(`a ${role === 'camera' ? 'camera' : 'storage device'} shows its disks, and makes one ready when told to`, async ({
    serial,
  }) => {
    await serial.at(role, async (port) => {
      assert.is(brief(await ask(port, 'disk', 10_000)), '/dev/sda 4096 MB photos: has something on it\nOK')
      const refusal = 'ERR DISK_WRONG /dev/sda has something on it.'
      assert.is(brief(await ask(port, 'disk prepare sda', 10_000)), refusal)
      const done = '/dev/sda is ready and taken into use\nOK'
      assert.is(brief(await ask(port, 'disk prepare sda --erase', 10_000)), done)
    })
    const asked = (await readFile(join(serial.tools, 'disks'), 'utf8')).trim().split('\n').slice(-3)
    assert.equal(
      asked,
      ['list', 'prepare /dev/sda', 'prepare /dev/sda --erase'].map((args) => `homeward-disk ${args}`),
    )
  })
}

test(`${BYTES} random bytes at a camera, seed ${SEED}: it still answers`, async ({ serial }) => {
  const random = seededRandom(SEED)
  await serial.at('camera', async (port) => {
    port.resume()
    for (let left = BYTES; left > 0; ) {
      const bytes = Buffer.from(random.bytes(Math.min(left, 1 + randomBelow(random, 4096))))
      left -= bytes.length
      await new Promise((resolve) => port.write(bytes, () => port.drain(resolve)))
    }
  })
  await serial.at('camera', async (port) => {
    assert.match(brief(await ask(port, 'info', 10_000)), /^role: camera\n/, `seed ${SEED}`)
  })
})

test('a storage device makes the code on its console, and scripts/provision sets the camera up with it', async ({
  serial,
}) => {
  const { home, cables } = serial
  const code = await serial.at('storage', async (port) => {
    assert.match(brief(await ask(port, 'info', 10_000)), /^role: storage\nboard: Test board\nuid: [A-Z2-7-]+\n/)
    assert.match(brief(await ask(port, 'claim', 10_000)), /^claim code: \S+\nOK$/)
    assert.match(brief(await ask(port, 'factory-reset', 10_000)), /^ERR USAGE every camera has to be set up again/)
    const { lines } = await ask(port, 'setup "Front door"', 10_000)
    return /^code: (HW1\S+)$/.exec(lines[0] ?? '')?.[1] ?? assert.unreachable(lines.join())
  })
  const { status, out, err } = await provision(cables.camera.ends[1], code as string, 'Front door')
  assert.equal([status, err], [0, ''])
  assert.match(
    out,
    /^role: camera\n(?:.*\n)*storage: [A-Z2-7-]+\n(?:.*\n)*set up, and connected with the storage device\n$/,
  )
  assert.not.match(out, new RegExp(code as string))
  await home.until('camera', 'filming', ({ seq }) => seq.acked > 1)
  await serial.at('camera', async (port) => {
    assert.match(brief(await ask(port, 'name', 10_000)), /^name: Front door\nstorage: [A-Z2-7-]+\nOK$/)
    assert.match(brief(await ask(port, 'status', 10_000)), /\nLink {6}connected, path lan/)
  })
  await serial.at('storage', async (port) => {
    assert.match(brief(await ask(port, 'name', 10_000)), /^Front door: [A-Z2-7-]+\nOK$/)
  })
})

test('scripts/provision: what cannot work is said in one line', async ({ serial }) => {
  const wrong: [string[], number, RegExp][] = [
    [[], 2, /^usage: scripts\/provision PORT CODE/],
    [['/dev/none', 'HW1ABC'], 2, /not a usable setup code/],
    [[serial.cables.camera.ends[1], 'HW1ABC', '--baud', 'fast'], 2, /--baud: "fast" is no speed/],
  ]
  for (const [args, expected, text] of wrong) {
    const { status, out, err } = await provision(...args)
    assert.equal([status, out], [expected, ''])
    assert.match(err, text)
  }
})

test('reset forgets the storage device, and the ring stays', async ({ serial }) => {
  const { home } = serial
  await serial.at('camera', async (port) => {
    assert.match(brief(await ask(port, 'reset', 20_000)), /^network and storage device are forgotten\nOK$/)
  })
  assert.is((await home.status('camera')).provisioned, false)
  await home.pair('camera')
  await home.until('camera', 'filming again', ({ state, seq }) => state === 'connected' && seq.acked > 0)
})

test('factory-reset makes a camera that nobody knows, with an empty ring', async ({ serial }) => {
  const { home } = serial
  const before = (await home.status('camera')).uid
  await serial.at('camera', async (port) => {
    assert.match(brief(await ask(port, 'factory-reset --discard', 20_000)), /starting again\nOK$/)
  })
  await home.program('camera').stop()
  await serial.startCamera()
  const after = await home.status('camera')
  assert.is(after.provisioned, false)
  assert.is.not(after.uid, before)
  await home.pair('camera')
  await home.until(
    'camera',
    'filming for the same storage device',
    ({ seq, ring }) => seq.acked > 1 && ring.card === 'ok',
  )
})

test.run()
