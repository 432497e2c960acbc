/** What commands may ask about limits, locks and the outlook. Times in µs, days as fractions; null where there is nothing. */
import * as v from 'valibot'
import type { Camera } from '../../link/cameras.ts'
import { equalBytes } from '../../wire/bytes.ts'
import { HomewardError } from '../../wire/errors.ts'
import type { StorageAgent } from '../agent.ts'
import type { Limits, Lock } from './retention.ts'

const NAME_MAX_CHARS = 100

const limit = (unit: string) =>
  v.optional(v.nullable(v.pipe(v.number(), v.minValue(Number.MIN_VALUE, `expected a number of ${unit} above 0`))))

export const keepArgs = v.object({ camera: v.string(), days: limit('days'), bytes: limit('bytes') })
export const lockArgs = v.object({
  camera: v.string(),
  fromUs: v.pipe(v.number(), v.safeInteger()),
  toUs: v.pipe(v.number(), v.safeInteger()),
  name: v.optional(v.pipe(v.string(), v.maxLength(NAME_MAX_CHARS)), ''),
})
export const unlockArgs = v.object({ lock: v.string() })
export const locksArgs = v.object({ camera: v.optional(v.string()) })

/** What is not named stays as it is; null takes a limit away. */
export async function keep(agent: StorageAgent, args: v.InferOutput<typeof keepArgs>) {
  const camera = agent.cameras.find(args.camera)
  const { retention } = agent
  if (args.days !== undefined || args.bytes !== undefined) {
    const before = retention.limits(camera.key)
    const { days = before.days, bytes = before.bytes } = args
    await retention.setLimits(camera.key, { days, bytes })
    agent.log.info({ camera: camera.uid, name: camera.name, days, bytes }, 'the limits of a camera were changed')
  }
  return limitsAnswer(camera, retention.limits(camera.key))
}

export function keepListing(agent: StorageAgent) {
  return { cameras: agent.cameras.all().map((camera) => limitsAnswer(camera, agent.retention.limits(camera.key))) }
}

export async function lock(agent: StorageAgent, { camera: text, fromUs, toUs, name }: v.InferOutput<typeof lockArgs>) {
  const camera = agent.cameras.find(text)
  const made = await agent.retention.lock(camera.key, fromUs, toUs, name)
  agent.log.info({ camera: camera.uid, id: made.id, name }, 'a span was locked')
  return lockAnswer(agent, made)
}

export async function unlock(agent: StorageAgent, idOrName: string) {
  const gone = await agent.retention.unlock(idOrName)
  agent.log.info({ id: gone.id, name: gone.name }, 'a span was unlocked')
  return lockAnswer(agent, gone)
}

export function locks(agent: StorageAgent, text: string | undefined) {
  const camera = text === undefined ? undefined : agent.cameras.find(text).key
  return { locks: agent.retention.locks(camera).map((one) => lockAnswer(agent, one)) }
}

/** Null while there is no disk. */
export async function retentionOf(agent: StorageAgent) {
  try {
    const { cameras, ageHeld, trouble, ...status } = await agent.retention.status()
    return {
      ...status,
      ageHeld: ageHeld ?? null,
      trouble: trouble ?? null,
      cameras: cameras.map(({ camera, ...one }) => ({ ...nameOf(agent, camera), ...one })),
    }
  } catch (error) {
    if (error instanceof HomewardError || agent.archive.problem !== undefined) return null
    throw error
  }
}

function limitsAnswer({ name, uid }: Camera, { days, bytes }: Limits) {
  return { name, uid, days, bytes }
}

function lockAnswer(agent: StorageAgent, { camera, id, fromUs, toUs, name }: Lock) {
  return { id, name, camera: nameOf(agent, camera), fromUs, toUs }
}

function nameOf(agent: StorageAgent, key: Uint8Array): { name: string; uid: string | null } {
  const known = agent.cameras.all().find((camera) => equalBytes(camera.key, key))
  const folder = agent.archive.totals().find(({ camera }) => equalBytes(camera, key))?.folder
  return { name: known?.name ?? folder ?? '', uid: known?.uid ?? null }
}
