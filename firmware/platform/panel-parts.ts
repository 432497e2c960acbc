/** Opens what a board's data file names for the front panel. What cannot be had is told of; the agent runs without it. */
import type { Logger } from 'pino'
import { errorLine, HomewardError, isHomewardError } from '../wire/errors.ts'
import type { Button } from './button.ts'
import { InputButton } from './button-input.ts'
import { LineButton } from './button-line.ts'
import type { Clock } from './clock.ts'
import type { PanelParts } from './front-panel.ts'
import type { LineSpec } from './gpio.ts'
import { openInput, openOutput } from './gpio-chip.ts'
import { type Ioctl, loadIoctl } from './ioctl.ts'
import type { Led } from './led.ts'
import { ClassLed } from './led-class.ts'
import { LineLed } from './led-line.ts'
import type { SerialLine } from './serial.ts'
import { WatchdogDevice } from './watchdog-device.ts'

export interface PanelSpec {
  readonly led?: { readonly kind: 'class'; readonly name: string } | ({ readonly kind: 'line' } & LineSpec)
  readonly button?:
    | { readonly kind: 'input'; readonly device: string; readonly key: number }
    | ({ readonly kind: 'line' } & LineSpec)
  readonly serial?: { readonly path: string; readonly baud: number }
  readonly watchdog?: { readonly path: string; readonly timeoutSeconds: number }
}

export async function openPanelParts(spec: PanelSpec, clock: Clock, log: Logger): Promise<PanelParts> {
  const onTrouble = (problem: HomewardError) => log.warn({ code: problem.code }, errorLine(problem))
  const having = async <Part>(open: () => Promise<Part>): Promise<Part | undefined> => {
    try {
      return await open()
    } catch (cause) {
      onTrouble(isHomewardError(cause) ? cause : new HomewardError('CONFIG_INVALID', String(cause), { cause }))
      return undefined
    }
  }
  const ioctl = once(loadIoctl)
  const { led, button, serial, watchdog } = spec
  return {
    led: led && (await having(() => openLed(led, clock, ioctl, onTrouble))),
    button: button && (await having(() => openButton(button, clock, ioctl, onTrouble))),
    serial: serial && (await having(() => openSerial(serial, clock, onTrouble))),
    watchdog:
      watchdog &&
      (await having(async () => WatchdogDevice.open(watchdog.path, watchdog.timeoutSeconds, await ioctl()))),
  }
}

type OnTrouble = (problem: HomewardError) => void

async function openLed(
  spec: NonNullable<PanelSpec['led']>,
  clock: Clock,
  ioctl: () => Promise<Ioctl>,
  onTrouble: OnTrouble,
): Promise<Led> {
  if (spec.kind === 'class') return new ClassLed({ name: spec.name, clock, onTrouble })
  return new LineLed(openOutput(await ioctl(), spec), clock)
}

async function openButton(
  spec: NonNullable<PanelSpec['button']>,
  clock: Clock,
  ioctl: () => Promise<Ioctl>,
  onTrouble: OnTrouble,
): Promise<Button> {
  if (spec.kind === 'input') return InputButton.open({ device: spec.device, key: spec.key, clock, onTrouble })
  return new LineButton(openInput(await ioctl(), spec), clock)
}

/** The package is loaded only where there is such a line. */
async function openSerial(
  spec: NonNullable<PanelSpec['serial']>,
  clock: Clock,
  onTrouble: OnTrouble,
): Promise<SerialLine> {
  const { SerialPortLine } = await import('./serial-port.ts')
  return new SerialPortLine({ ...spec, clock, onTrouble })
}

function once<Value>(make: () => Promise<Value>): () => Promise<Value> {
  let made: Promise<Value> | undefined
  return () => {
    made ??= make()
    return made
  }
}
