// time-out: 180 s
/** Every command of both devices and every error a person can type, over a line, at programs that run. */
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { formatSetupCode } from '../../firmware/link/setup-code.ts'
import { ask, parseAnswer, type Wire } from './dialog.ts'
import { brief, type Role, SerialHome } from './serial-home-fixture.ts'

const WITHIN_MS = 20_000
const SLOW_S = 25

interface Context {
  serial: SerialHome
}

const test = suite<Context>('commands')

test.before(async (context) => {
  context.serial = await SerialHome.start()
})

test.after(({ serial }) => serial.close())

/** Of a storage device that nobody has. */
const OTHER_CODE = formatSetupCode({
  storage: new Uint8Array(
    Buffer.from(generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }).x ?? '', 'base64url'),
  ),
  token: new Uint8Array(16),
  addresses: [],
})

async function hold(serial: SerialHome, role: Role, cases: readonly (readonly [string, RegExp])[]): Promise<void> {
  await serial.at(role, async (port) => {
    for (const [line, expected] of cases) {
      const answer = brief(await ask(port, line, WITHIN_MS))
      assert.match(answer, expected, `${role}: ${line.slice(0, 60)}: ${answer}`)
    }
  })
}

const COMMANDS = ['help', 'info', 'status', 'setup', 'name', 'network', 'log', 'reset', 'factory-reset', 'reboot']

for (const role of ['camera', 'storage'] as const) {
  test(`help of a ${role} names every command that is promised`, async ({ serial }) => {
    const { lines } = await serial.at(role, (port) => ask(port, 'help', WITHIN_MS))
    const names = lines.map((line) => line.split(' ', 1)[0])
    for (const name of COMMANDS) assert.ok(names.includes(name), `${name} is not in ${names}`)
  })

  test(`what cannot be typed at a ${role}`, ({ serial }) =>
    hold(serial, role, [
      ['nonsense', /^ERR USAGE there is no command "nonsense"\. Type: help$/],
      ['__proto__', /^ERR USAGE there is no command "__proto__"/],
      ['log "3', /^ERR USAGE a " has no end\.$/],
      [`log ${'3'.repeat(300)}`, /^ERR USAGE the line is longer than 256 bytes, nothing was done\.$/],
      ['log 0', /^ERR USAGE "0" is no number of lines\. Type: log \[LINES\]$/],
      ['network off', /^ERR USAGE expected dhcp, static or wifi\. Type: network \[dhcp/],
      ['network static 192.168.7.2/24', /^ERR USAGE /],
      ['network wifi home short', /^ERR USAGE /],
      ['setup a b c', /^ERR USAGE put a name with spaces in quotes/],
      ['disk erase sda', /^ERR USAGE expected nothing, or prepare and a device/],
      ['disk prepare ../sda', /^ERR USAGE "\.\.\/sda" is no disk/],
    ]))

  test(`a line at a ${role} that is not UTF-8`, async ({ serial }) => {
    await serial.at(role, async (port) => {
      const bytes = Buffer.from([0x69, 0xff, 0xfe, 0x0d])
      assert.match(await heard(port, bytes), /^ERR USAGE the line is not UTF-8, nothing was done\.$/)
    })
  })

  test(`every other command of a ${role}, twice the same`, async ({ serial }) => {
    const who = role === 'camera' ? /^role: camera\n/ : /^role: storage\n/
    const cases: [string, RegExp][] = [
      ['info', who],
      ['status', /\nOK$/],
      ['log 2', /^(?:\d\d:\d\d:\d\dZ .*\n){1,2}OK$/],
      ['network', /^address: by DHCP\n(?:.*\n)*OK$/],
      ['network static 192.168.7.2/24 192.168.7.1 192.168.7.1', /^address: 192\.168\.7\.2\/24, .*\nOK$/],
      ['network dhcp', /^address: by DHCP\nOK$/],
      ['reboot', /^starting again\nOK$/],
    ]
    await hold(serial, role, [...cases, ...cases])
  })

  test(`a passphrase at a ${role} is never shown`, async ({ serial }) => {
    await serial.at(role, async (port) => {
      let seen = ''
      port.on('data', (bytes: Buffer) => {
        seen += bytes.toString()
      })
      assert.ok((await ask(port, 'network wifi "my home" "open sesame"', WITHIN_MS)).ok)
      assert.ok((await ask(port, 'network', WITHIN_MS)).ok)
      assert.ok((await ask(port, 'log 20', WITHIN_MS)).ok)
      assert.match(seen, /network wifi "my home" \*{13}\r\n/)
      assert.not.match(seen, /sesame/)
      assert.ok((await ask(port, 'network wifi off', WITHIN_MS)).ok)
    })
  })

  test(`a tool of the system that fails at a ${role} is told with its words`, async ({ serial }) => {
    await serial.setTool('reboot', 'echo "no power to do that" >&2; exit 1')
    await hold(serial, role, [
      ['reboot', /^ERR INTERNAL `reboot` failed: no power to do that\. It comes with the images/],
    ])
    await serial.setTool('reboot', '')
  })

  test(`Ctrl-C at a ${role} ends a command that takes long`, async ({ serial }) => {
    await serial.setTool('homeward-network', `sleep ${SLOW_S}`)
    await serial.at(role, async (port) => {
      const answer = heard(port, 'network dhcp\r')
      await new Promise((resolve) => setTimeout(resolve, 300))
      port.write('\x03')
      assert.is(await answer, 'ERR CANCELLED cancelled.')
    })
    await serial.setTool('homeward-network', '')
    await hold(serial, role, [['network dhcp', /^address: by DHCP\nOK$/]])
  })
}

/** The line that ends the answer to raw bytes. */
function heard(port: Wire, bytes: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const late = setTimeout(() => reject(new Error(`no answer: ${text}`)), WITHIN_MS)
    const onData = (more: Buffer) => {
      text += more.toString()
      const answer = parseAnswer(text.replaceAll('^C\r\n', ''))
      if (answer === undefined) return
      clearTimeout(late)
      port.off('data', onData)
      resolve(brief({ ...answer, lines: [] }))
    }
    port.on('data', onData)
    port.write(Buffer.from(bytes))
  })
}

test('a camera that is not set up', ({ serial }) =>
  hold(serial, 'camera', [
    ['setup', /^ERR USAGE the setup code is missing\. Type: setup CODE/],
    ['setup HW1ABC', /^ERR SETUP_CODE_INVALID /],
    ['setup HW9ABC', /^ERR SETUP_CODE_INVALID /],
    ['name Porch', /^ERR NOT_PROVISIONED this camera has not been set up\. Type: setup CODE$/],
    ['claim', /^ERR USAGE there is no command "claim"/],
  ]))

test('footage that waits is not given up by mistake', async ({ serial }) => {
  const { home } = serial
  const { setupCode } = (await home.program('storage').call('pair', {})) as { setupCode: string }
  await hold(serial, 'camera', [[`setup ${setupCode} "Front door"`, /^storage: [A-Z2-7-]+\nOK$/]])
  await home.program('storage').stop()
  await home.until('camera', 'keeping footage', ({ ring, seq }) => ring.unackedBytes > 0 && seq.captured > 2)
  await hold(serial, 'camera', [
    ['name "Back yard"', /^name: (?:Back yard|Front door)\nstorage: [A-Z2-7-]+\nOK$/],
    [`setup ${OTHER_CODE}`, /^ERR RECORDS_WAITING /],
    ['factory-reset', /^ERR RECORDS_WAITING \d+ fragments are not safe yet and would be lost for good\. /],
    ['reset', /^network and storage device are forgotten\nOK$/],
    ['factory-reset --discard', /^everything is forgotten, starting again\nOK$/],
  ])
  await serial.startStorage()
})

test('a storage device makes codes until too many wait, and its page can be claimed', async ({ serial }) => {
  await hold(serial, 'storage', [
    ['name', /^Front door: [A-Z2-7-]+\nOK$/],
    ['claim', /^claim code: \S+\nOK$/],
    ['setup "Front door"', /^code: HW1\S+\ngood until: \S+Z\nOK$/],
  ])
  await serial.at('storage', async (port) => {
    for (let codes = 0; ; codes++) {
      const answer = brief(await ask(port, 'setup', WITHIN_MS))
      if (answer.startsWith('code: ')) assert.ok(codes < 100)
      else return assert.match(answer, /^ERR USAGE \d+ setup codes are waiting to be used already/)
    }
  })
})

test('a storage device forgets its network, and everything only when it is told what that means', ({ serial }) =>
  hold(serial, 'storage', [
    ['reset', /^the network is forgotten\nOK$/],
    ['factory-reset', /^ERR USAGE every camera has to be set up again.* or type: factory-reset --discard$/],
    ['factory-reset --discard', /^everything but the footage is forgotten, starting again\nOK$/],
  ]))

test('the machine was started again as often as that was said, by what stood first in PATH', ({ serial }) => {
  const done = readFileSync(join(serial.tools, 'done'), 'utf8').split('\n')
  assert.is(done.filter((line) => line.startsWith('reboot')).length, 2 * (2 + 1) + 2)
})

test.run()
