/**
 * Sends an update from a namespace: HOST BOARD FILE [VERSION]. Prints the device's last line, or why it was refused; with a version goes
 * the way of `make ota` and waits until the device has kept it or gone back.
 */
import { readFileSync } from 'node:fs'
import { HomewardError } from '../../firmware/wire/errors.ts'
import { sendUpdate } from '../ota/send.ts'
import { updateDevice } from '../ota/update.ts'

const [host = '', board = '', file = '', version] = process.argv.slice(2)
const bytes = readFileSync(file)
const say = (line: string) => process.stdout.write(`${line}\n`)
try {
  if (version === undefined) say(await sendUpdate(host, { board, bytes }, () => undefined))
  else {
    await updateDevice(host, { board, version, bytes }, say)
    say('kept')
  }
} catch (error) {
  say(error instanceof HomewardError ? `${error.code} ${error.message}. ${error.hint ?? ''}` : `${error}`)
}
