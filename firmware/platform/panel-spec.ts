/** What a board's data file says of its front panel. Pure. */
import type { Board } from './board.ts'
import type { LineSpec } from './gpio.ts'
import type { PanelSpec } from './panel-parts.ts'

export function panelSpecOf({ led, button, serial, watchdog }: Board): PanelSpec {
  return {
    ...(led === undefined ? {} : { led: ledOf(led) }),
    ...(button === undefined ? {} : { button: buttonOf(button) }),
    serial: { path: `/dev/${serial.console}`, baud: serial.baud },
    ...(watchdog === undefined ? {} : { watchdog: { path: watchdog.device, timeoutSeconds: watchdog['timeout-s'] } }),
  }
}

function ledOf(led: NonNullable<Board['led']>): NonNullable<PanelSpec['led']> {
  return 'class' in led ? { kind: 'class', name: led.class } : { kind: 'line', ...lineOf(led.gpio) }
}

function buttonOf(button: NonNullable<Board['button']>): NonNullable<PanelSpec['button']> {
  if ('input' in button) return { kind: 'input', device: button.input, key: button.key }
  const line = lineOf(button.gpio)
  // A button closes its line to one side; the other side is the board's resistor, or this one.
  return { kind: 'line', ...line, pull: line.activeLow ? 'up' : 'down' }
}

function lineOf({
  chip,
  line,
  'active-low': activeLow,
}: {
  chip: string
  line: number
  'active-low': boolean
}): LineSpec {
  return { chip, line, activeLow }
}
