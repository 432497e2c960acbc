/** `homeward storage keep|lock|unlock|locks`. */
import type { Command } from 'commander'
import { HomewardError } from '../wire/errors.ts'
import { ask, type CommandFlags } from './ask.ts'
import { formatBytes, printResult } from './output.ts'
import { byteCount, dayCount } from './settings.ts'
import { parseMoment, table } from './storage-text.ts'

interface LimitsAnswer {
  readonly name: string
  readonly uid: string
  readonly days: number | null
  readonly bytes: number | null
}

interface LockAnswer {
  readonly id: string
  readonly name: string
  readonly camera: { readonly name: string }
  readonly fromUs: number
  readonly toUs: number
}

export function addRetentionCommands(command: (name: string, description: string) => Command): void {
  command('keep [camera]', 'how much of a camera is kept; without a camera, of all of them')
    .option('--days <N>', 'footage older than this goes; "any": no such limit')
    .option('--bytes <SIZE>', 'above this the oldest goes; "any": no such limit')
    .addHelpText('after', '\nWithout limits footage stays until the disk needs room. Locked spans always stay.')
    .action(async (camera: string | undefined, flags: CommandFlags & { days?: string; bytes?: string }) => {
      if (camera === undefined) {
        if (flags.days !== undefined || flags.bytes !== undefined) {
          throw new HomewardError('USAGE', 'which camera? --days and --bytes change the limits of one', {
            hint: 'For every camera there are keep-days and keep-bytes in the settings of `homeward storage run`.',
          })
        }
        printResult(await ask(flags, 'keeps', {}), flags.json === true, (answer) =>
          describeAllLimits((answer as { cameras: LimitsAnswer[] }).cameras),
        )
        return
      }
      const args = {
        camera,
        ...(flags.days === undefined ? {} : { days: limitFrom('--days', flags.days, DAYS) }),
        ...(flags.bytes === undefined ? {} : { bytes: limitFrom('--bytes', flags.bytes, BYTES) }),
      }
      printResult(await ask(flags, 'keep', args), flags.json === true, (answer) =>
        describeLimits(answer as LimitsAnswer),
      )
    })

  command('lock <camera>', 'keep a span of footage, whatever limits and room say')
    .requiredOption('--from <T>', 'such as 2026-05-01T12:00:00Z')
    .requiredOption('--to <T>', 'such as 2026-05-01T12:10:00Z')
    .option('--name <NAME>', 'what it is about')
    .action(async (camera: string, flags: CommandFlags & { from: string; to: string; name?: string }) => {
      const fromUs = parseMoment('--from', flags.from)
      const toUs = parseMoment('--to', flags.to)
      if (fromUs >= toUs) throw new HomewardError('USAGE', `--from: ${flags.from} is not before --to: ${flags.to}`)
      const args = { camera, fromUs, toUs, ...(flags.name === undefined ? {} : { name: flags.name }) }
      printResult(await ask(flags, 'lock', args), flags.json === true, (answer) => {
        const { id } = answer as LockAnswer
        return `Locked as ${id}: it stays until \`homeward storage unlock ${id}\`.`
      })
    })

  command('unlock <lock>', 'give a locked span back to the limits; by its id or name').action(
    async (lock: string, flags: CommandFlags) => {
      printResult(await ask(flags, 'unlock', { lock }), flags.json === true, (answer) => {
        const { id, camera } = answer as LockAnswer
        return `${id} of ${camera.name} is unlocked.`
      })
    },
  )

  command('locks', 'list the locked spans')
    .option('--camera <C>', 'only of this camera')
    .action(async (flags: CommandFlags & { camera?: string }) => {
      const args = flags.camera === undefined ? {} : { camera: flags.camera }
      printResult(await ask(flags, 'locks', args), flags.json === true, (answer) =>
        describeLocks((answer as { locks: LockAnswer[] }).locks),
      )
    })
}

const DAYS = dayCount({ key: 'days', placeholder: 'N', help: '' })
const BYTES = byteCount({ key: 'bytes', placeholder: 'SIZE', help: '' }, undefined, 1)

function limitFrom(flag: string, text: string, kind: typeof DAYS): number | null {
  if (text === 'any') return null
  const value = kind.read(text)
  if (value !== undefined) return value
  throw new HomewardError('USAGE', `${flag}: "${text}" is not valid, expected "any" or ${kind.expected}`)
}

function describeLimits({ name, days, bytes }: LimitsAnswer): string {
  return `${name}: ${limitsText({ days, bytes })}`
}

function limitsText({ days, bytes }: { readonly days: number | null; readonly bytes: number | null }): string {
  const parts = [
    ...(days === null ? [] : [`${days} ${days === 1 ? 'day' : 'days'}`]),
    ...(bytes === null ? [] : [formatBytes(bytes)]),
  ]
  return parts.length === 0 ? 'until the disk needs room' : `at most ${parts.join(' and ')}`
}

function describeAllLimits(cameras: readonly LimitsAnswer[]): string {
  if (cameras.length === 0) return 'No camera is paired yet: `homeward storage pair` makes a setup code.'
  return table(cameras.map(({ name, days, bytes }) => [name, limitsText({ days, bytes })])).join('\n')
}

function describeLocks(locks: readonly LockAnswer[]): string {
  if (locks.length === 0) return 'Nothing is locked: `homeward storage lock CAMERA --from T --to T` keeps a span.'
  const time = (us: number) => new Date(us / 1000).toISOString()
  return table(
    locks.map(({ id, camera, fromUs, toUs, name }) => [id, camera.name, `${time(fromUs)} to ${time(toUs)}`, name]),
  ).join('\n')
}
