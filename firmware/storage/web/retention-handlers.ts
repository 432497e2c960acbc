/** How long footage is kept, what is locked, and how long the disk will last. */
import { formatUid } from '../../link/uid.ts'
import { equalBytes } from '../../wire/bytes.ts'
import { HomewardError } from '../../wire/errors.ts'
import type { StorageAgent } from '../agent.ts'
import type { Lock as HeldLock } from '../retention/retention.ts'
import type { Lock, Storage } from './api.ts'
import type { Handlers } from './handlers.ts'
import { findCamera } from './look.ts'
import type { Monitor } from './monitor.ts'

export interface RetentionParts {
  readonly agent: StorageAgent
  readonly monitor: Monitor
}

const DAY_MS = 86_400_000

export function retentionHandlers({ agent, monitor }: RetentionParts) {
  const find = (text: string | undefined) => findCamera(agent, text ?? '')

  const storage = async (): Promise<Storage> => {
    const { disk } = (await monitor.look()).status
    const { cameras, bytesPerDay, fullInDays, ageHeld, trouble, deleted } = await agent.retention.status()
    const totals = agent.archive.totals()
    return {
      ...{ disk, bytesPerDay, deleted },
      fullInMs: fullInDays === null ? null : fullInDays * DAY_MS,
      ageHeld: ageHeld ?? null,
      trouble: trouble ?? null,
      cameras: cameras.map(({ camera, limits, bytes, locks, ownLimits, keepsDays, limitedBy, ...rest }) => {
        const firstUs = totals.find((one) => equalBytes(one.camera, camera))?.firstUs
        return {
          ...{ id: formatUid(camera), bytes, locks, ownLimits, keepsDays, limitedBy },
          bytesPerDay: rest.bytesPerDay,
          firstMs: firstUs === undefined ? null : Math.round(firstUs / 1000),
          maxDays: limits.days,
          maxBytes: limits.bytes,
        }
      }),
    }
  }

  return {
    'GET /api/v1/storage': storage,
    'PUT /api/v1/cameras/{camera}/retention': async ({ params, body: { maxDays, maxBytes } }) => {
      const { key, uid, name } = find(params.camera)
      await agent.retention.setLimits(key, { days: maxDays, bytes: maxBytes })
      agent.log.info({ camera: uid, name, days: maxDays, bytes: maxBytes }, 'the limits of a camera were changed')
      return storage()
    },
    'GET /api/v1/cameras/{camera}/locks': ({ params }) => ({ locks: locksOf(agent, find(params.camera).key) }),
    'POST /api/v1/cameras/{camera}/locks': async ({ params, body: { fromMs, toMs, note } }) => {
      const { key, uid, name } = find(params.camera)
      const made = await agent.retention.lock(key, fromMs * 1000, toMs * 1000, note)
      agent.log.info({ camera: uid, name, id: made.id }, 'a span was locked')
      return lockOf(made)
    },
    'DELETE /api/v1/cameras/{camera}/locks/{lock}': async ({ params }) => {
      const { key } = find(params.camera)
      const found = agent.retention.locks(key).find(({ id }) => id === params.lock)
      if (found === undefined) throw new HomewardError('NOT_FOUND', 'there is no such lock')
      await agent.retention.unlock(found.id)
      agent.log.info({ id: found.id }, 'a span was unlocked')
      return undefined
    },
  } satisfies Partial<Handlers>
}

export function locksOf({ retention }: StorageAgent, camera: Uint8Array): Lock[] {
  return retention.locks(camera).map(lockOf)
}

const lockOf = ({ id, fromUs, toUs, name }: HeldLock): Lock => ({
  ...{ id, note: name },
  fromMs: Math.round(fromUs / 1000),
  toMs: Math.round(toUs / 1000),
})
