/** JSON files in the state folder, checked field by field when read. A file that does not fit is never overwritten. */
import { HomewardError } from '../wire/errors.ts'
import { readPrivate, writePrivate } from './private-file.ts'

export type Fields = Readonly<Record<string, unknown>>

/** The object in `path`, or undefined when there is no file. Throws STATE_DAMAGED unless its `format` is `format`. */
export async function readState(path: string, format: string): Promise<Fields | undefined> {
  const text = await readPrivate(path)
  if (text === undefined) return undefined
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch (cause) {
    throw stateDamaged(path, 'it is not JSON', cause)
  }
  const fields = asFields(body)
  if (fields?.format !== format) throw stateDamaged(path, `its "format" is not "${format}"`)
  return fields
}

export async function writeState(path: string, format: string, fields: Fields): Promise<void> {
  await writePrivate(path, `${JSON.stringify({ format, ...fields }, null, 2)}\n`)
}

export function asFields(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined
}

export function isHex(value: unknown, bytes: number): value is string {
  return typeof value === 'string' && value.length === bytes * 2 && /^[0-9a-f]*$/.test(value)
}

export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

export function stateDamaged(path: string, why: string, cause?: unknown): HomewardError {
  return new HomewardError('STATE_DAMAGED', `${path} is damaged: ${why}`, {
    hint: 'Restore the file from a copy. Deleting it forgets what it held.',
    cause,
  })
}
