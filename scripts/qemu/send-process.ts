/** Sends an update from a namespace: HOST BOARD FILE. Prints the device's last line, or why it was refused. */
import { readFileSync } from 'node:fs'
import { HomewardError } from '../../firmware/wire/errors.ts'
import { sendUpdate } from '../ota/send.ts'

const [host = '', board = '', file = ''] = process.argv.slice(2)
try {
  process.stdout.write(`${await sendUpdate(host, board, readFileSync(file), () => undefined)}\n`)
} catch (error) {
  process.stdout.write(error instanceof HomewardError ? `${error.code} ${error.message}\n` : `${error}\n`)
}
