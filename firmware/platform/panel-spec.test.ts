import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseBoard } from './board.ts'
import { panelSpecOf } from './panel-spec.ts'

const COMMON = `
name = "test"
role = "storage"
soc = "none"
memory-mib = 512
offer = "rootfs"
tested = "data"
[disk]
devices = ["sd*"]
[rootfs]
state = "/data/homeward"
footage = "/srv/homeward"
`

const specOf = (more: string) => panelSpecOf(parseBoard(COMMON + more, 'board.toml'))
const SERIAL = '[serial]\nkernel = "ttyS0"\nconsole = "ttyS1"\nbaud = 1500000\n'

test("all of it by the kernel's drivers", () => {
  const more = `${SERIAL}[led]\nclass = "ACT"\n[button]\ninput = "gpio-keys"\nkey = 408\n[watchdog]\ndevice = "/dev/watchdog0"\ntimeout-s = 15\n`
  assert.equal(specOf(more), {
    led: { kind: 'class', name: 'ACT' },
    button: { kind: 'input', device: 'gpio-keys', key: 408 },
    serial: { path: '/dev/ttyS1', baud: 1_500_000 },
    watchdog: { path: '/dev/watchdog0', timeoutSeconds: 15 },
  })
})

test('all of it on lines; an input gets the resistor that its button needs', () => {
  const line = (activeLow: boolean) => `gpio = { chip = "gpio0", line = 3, active-low = ${activeLow} }`
  assert.equal(specOf(`${SERIAL}[led]\n${line(true)}\n[button]\n${line(true)}\n`), {
    led: { kind: 'line', chip: 'gpio0', line: 3, activeLow: true },
    button: { kind: 'line', chip: 'gpio0', line: 3, activeLow: true, pull: 'up' },
    serial: { path: '/dev/ttyS1', baud: 1_500_000 },
  })
  assert.is((specOf(`${SERIAL}[button]\n${line(false)}\n`).button as { pull?: string }).pull, 'down')
})

test.run()
