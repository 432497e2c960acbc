/** The words that the shapes of the API are made of. Each description goes into the OpenAPI document. */
import * as v from 'valibot'

/** Latest moment that the API knows: the last millisecond of the year 9999. */
export const MOMENT_MAX_MS = Date.UTC(10000, 0, 1) - 1

export const ms = (description: string) =>
  v.pipe(
    v.number(),
    v.integer(),
    v.minValue(0),
    v.maxValue(MOMENT_MAX_MS),
    v.description(`${description}, milliseconds since 1970 UTC`),
  )
export const durationMs = (description: string) =>
  v.pipe(v.number(), v.minValue(0), v.description(`${description}, milliseconds`))
export const bytes = (description: string) =>
  v.pipe(v.number(), v.integer(), v.minValue(0), v.description(`${description}, bytes`))
export const count = (description: string) => v.pipe(v.number(), v.integer(), v.minValue(0), v.description(description))
export const decimal = (description: string) => v.pipe(v.number(), v.description(description))
export const text = (description: string, maxLength = 1000) =>
  v.pipe(v.string(), v.maxLength(maxLength), v.description(description))
export const flag = (description: string) => v.pipe(v.boolean(), v.description(description))
export const oneOf = <const T extends readonly [string, ...string[]]>(choices: T, description: string) =>
  v.pipe(v.picklist(choices), v.description(description))
/** Null where there is nothing to say: answers always carry every key. */
export const orNull = <TSchema extends v.GenericSchema>(schema: TSchema) => v.nullable(schema)
