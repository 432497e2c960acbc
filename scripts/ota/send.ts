/** The way of an update to a device: TCP, the device speaks first. */
import { connect } from 'node:net'
import { HomewardError } from '../../firmware/wire/errors.ts'

export const UPDATE_PORT = 7445
const ANSWER_WITHIN_MS = 15_000
/** The device writes while it receives: a slow card takes minutes. */
const SILENCE_MS = 600_000

export interface Running {
  readonly board: string
  readonly version: string
  readonly slot: string
  /** It runs a new system that has not shown yet that it works. */
  readonly trial: boolean
  /** Version of the last update, when the device went back from it. */
  readonly undone?: string
}

/** What runs on the device. Rejects with CHANNEL_LOST or TIMED_OUT. */
export function askRunning(host: string, port = UPDATE_PORT): Promise<Running> {
  return talk(host, port, undefined, () => undefined).then(({ running }) => running)
}

export interface Sent {
  readonly board: string
  /** Given, one that runs there already is not sent. */
  readonly version?: string
  readonly bytes: Uint8Array
}

/**
 * Sends an update to a device that runs the same board. Resolves with its last line (`OK …`); rejects with CONFIG_INVALID for another
 * board or the version that runs there, NOT_ALLOWED with why the device refused it.
 */
export async function sendUpdate(
  host: string,
  update: Sent,
  progress: (line: string) => void,
  port = UPDATE_PORT,
): Promise<string> {
  const { answer = '' } = await talk(host, port, update, progress)
  if (answer.startsWith('OK')) return answer
  throw new HomewardError('NOT_ALLOWED', `the device refused the update: ${answer.replace(/^ERR /, '')}`, {
    hint: 'It goes on with the system that it has.',
  })
}

function talk(
  host: string,
  port: number,
  update: Sent | undefined,
  progress: (line: string) => void,
): Promise<{ running: Running; answer?: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, allowHalfOpen: true })
    let text = ''
    let running: Running | undefined
    const fail = (error: Error) => {
      socket.destroy()
      reject(error)
    }
    socket.setTimeout(ANSWER_WITHIN_MS, () =>
      fail(
        new HomewardError('TIMED_OUT', `${host}, port ${port}, does not answer`, {
          hint: 'Is that the address of a device with an image, and is it on? `network` on its serial console shows the address.',
        }),
      ),
    )
    socket.on('error', (cause) =>
      fail(
        new HomewardError('CHANNEL_LOST', `${host}, port ${port}, cannot be reached: ${cause.message}`, {
          hint: 'Is that the address of a device with an image, and is it on? `network` on its serial console shows the address.',
          cause,
        }),
      ),
    )
    socket.on('data', (data: Buffer) => {
      text += data.toString('utf8')
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
        const line = text.slice(0, end)
        text = text.slice(end + 1)
        if (running !== undefined) {
          if (/^(?:OK|ERR)\b/.test(line)) {
            socket.destroy()
            resolve({ running, answer: line })
          } else progress(line)
          continue
        }
        running = parseRunning(line)
        if (running === undefined)
          return fail(
            new HomewardError('FRAME_MALFORMED', `${host} is no Homeward device: it says "${line.slice(0, 60)}"`, {
              hint: '`network` on the serial console of the device shows its address.',
            }),
          )
        if (update === undefined) {
          socket.destroy()
          return resolve({ running })
        }
        if (running.board !== update.board) {
          return fail(
            new HomewardError('CONFIG_INVALID', `${host} is a ${running.board}, the update is for ${update.board}`, {
              hint: `For that device: make BOARD=${running.board} IP=${host} ota`,
            }),
          )
        }
        if (running.version === update.version) {
          return fail(
            new HomewardError('CONFIG_INVALID', `${host} runs ${running.version} already, expected a newer image`, {
              hint: `The version grows with every commit: make BOARD=${running.board} image, then again.`,
            }),
          )
        }
        progress(`${host}: ${running.board} ${running.version}, slot ${running.slot}`)
        socket.setTimeout(SILENCE_MS)
        socket.end(update.bytes)
      }
    })
    socket.on('end', () =>
      fail(
        new HomewardError(
          'CHANNEL_LOST',
          `${host} hung up before it ${running === undefined ? 'said what it is' : 'answered'}`,
        ),
      ),
    )
  })
}

export function parseRunning(line: string): Running | undefined {
  const match = /^HOMEWARD (\S+) (\S+) slot=([AB]) trial=(yes|no)(?: undone=(\S+))?$/.exec(line)
  if (match === null) return undefined
  const [, board = '', version = '', slot = '', trial, undone] = match
  return { board, version, slot, trial: trial === 'yes', ...(undone === undefined ? {} : { undone }) }
}
