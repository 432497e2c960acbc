/** What commands may ask of a running storage agent, by its control socket. */
import { isAbsolute } from 'node:path'
import * as v from 'valibot'
import { type ControlContext, type ControlHandler, describeError } from '../platform/control.ts'
import { RealDisk } from '../platform/disk-real.ts'
import { equalBytes, toHex } from '../wire/bytes.ts'
import { HomewardError } from '../wire/errors.ts'
import type { StorageAgent } from './agent.ts'
import { checkTarget, writingFailed } from './export-target.ts'
import { openPairing } from './pairing.ts'
import {
  keep,
  keepArgs,
  keepListing,
  lock,
  lockArgs,
  locks,
  locksArgs,
  retentionOf,
  unlock,
  unlockArgs,
} from './retention/commands.ts'

const PROGRESS_EVERY_MS = 200

const nothing = v.looseObject({})
const pairArgs = v.object({ name: v.optional(v.string()), ttlS: v.optional(v.number()) })
const cameraArgs = v.object({ camera: v.string() })
const verifyArgs = v.object({ camera: v.optional(v.string()), deep: v.optional(v.boolean(), false) })
const exportArgs = v.object({
  camera: v.string(),
  fromUs: v.number(),
  toUs: v.number(),
  out: v.pipe(v.string(), v.check(isAbsolute, 'expected an absolute path')),
  replace: v.optional(v.boolean(), false),
})

export function storageCommands(agent: StorageAgent): Record<string, ControlHandler> {
  return {
    status: command(nothing, () => storageStatus(agent)),
    pair: command(pairArgs, (args) => pair(agent, args)),
    cameras: command(nothing, () => ({ cameras: camerasOf(agent), refusals: agent.desk.refusals })),
    forget: command(cameraArgs, ({ camera }) => forget(agent, camera)),
    verify: command(verifyArgs, async ({ camera, deep }, context) => {
      const key = camera === undefined ? {} : { camera: agent.cameras.find(camera).key }
      const report = await agent.archive.verify({ ...key, deep, ...following(agent, context) })
      await agent.noteDamage(report)
      return report
    }),
    export: command(exportArgs, async ({ camera, replace, ...span }, context) => {
      const { key } = agent.cameras.find(camera)
      await checkTarget(span.out, replace)
      return agent.archive
        .exportSpan({ camera: key, ...span, ...following(agent, context) })
        .catch((error: unknown) => {
          throw writingFailed(error, span.out)
        })
    }),
    keep: command(keepArgs, (args) => keep(agent, args)),
    keeps: command(nothing, () => keepListing(agent)),
    lock: command(lockArgs, (args) => lock(agent, args)),
    unlock: command(unlockArgs, ({ lock: idOrName }) => unlock(agent, idOrName)),
    locks: command(locksArgs, ({ camera }) => locks(agent, camera)),
    reindex: command(nothing, (_args, context) => agent.archive.reindex(following(agent, context))),
  }
}

/** The arguments come from a socket: checked like anything else that does. */
function command<TSchema extends v.GenericSchema>(
  schema: TSchema,
  run: (args: v.InferOutput<TSchema>, context: ControlContext) => unknown,
): ControlHandler {
  return (args, context) => {
    const result = v.safeParse(schema, args)
    if (result.success) return run(result.output, context)
    const [issue] = result.issues
    throw new HomewardError('USAGE', `${v.getDotPath(issue) ?? 'arguments'}: ${issue.message}`)
  }
}

/** A signal, and progress no more often than a person can read it. */
function following(agent: StorageAgent, { signal, progress }: ControlContext) {
  let lastMs = Number.NEGATIVE_INFINITY
  return {
    signal,
    onProgress: (value: unknown) => {
      const nowMs = agent.clock.monoUs() / 1000
      if (nowMs - lastMs < PROGRESS_EVERY_MS) return
      lastMs = nowMs
      progress(value)
    },
  }
}

export async function storageStatus(agent: StorageAgent) {
  const totals = agent.archive.totals()
  const sum = (pick: (one: (typeof totals)[number]) => number) => totals.reduce((all, one) => all + pick(one), 0)
  const { state, nat, problem } = agent.server.status
  return {
    uid: agent.identity.uid,
    listen: agent.listen,
    root: agent.root,
    diskId: agent.archive.diskId,
    freeBytes: await freeBytes(agent.root),
    p2p: { state, nat: nat ?? null, ...(problem === undefined ? {} : { problem: describeError(problem) }) },
    totals: { fragments: sum((one) => one.fragments), bytes: sum((one) => one.bytes) },
    alarm: agent.alarm ?? null,
    retention: await retentionOf(agent),
    scrub: scrubOf(agent),
    ledger: ledgersOf(agent),
  }
}

/** Null while there is no disk. */
function scrubOf(agent: StorageAgent) {
  if (agent.archive.problem !== undefined) return null
  const { lastFullUs, ...status } = agent.scrubber.status
  const waiting = [...agent.archive.archive.damaged()].filter(({ row }) => row.state === 'asked').length
  return { ...status, lastFullAt: isoTime(lastFullUs ?? undefined), waiting, ...agent.healer.counts }
}

/** Of each camera what was lost and why, what waits on it, and how long it was off or without a picture. */
function ledgersOf(agent: StorageAgent) {
  const counts = agent.archive.ledgerCounts()
  return agent.cameras.all().map(({ key, uid, name }) => {
    const known = counts.find(({ camera }) => camera === toHex(key))
    const seconds = (reason: 'camera-off' | 'encoder-down') => ({
      count: known?.outages[reason].count ?? 0,
      seconds: Math.round((known?.outages[reason].durationUs ?? 0) / 1e6),
    })
    return {
      ...{ name, uid, onCard: known?.onCard ?? 0, lost: known?.lost ?? {} },
      outages: { cameraOff: seconds('camera-off'), encoderDown: seconds('encoder-down') },
    }
  })
}

/** Null when the disk does not say. */
async function freeBytes(root: string): Promise<number | null> {
  try {
    return (await new RealDisk().space(root)).freeBytes
  } catch {
    return null
  }
}

async function pair(agent: StorageAgent, { name, ttlS }: v.InferOutput<typeof pairArgs>) {
  const { setupCode, window, note } = await openPairing(agent, {
    ...(name === undefined ? {} : { name }),
    ...(ttlS === undefined ? {} : { ttlS }),
  })
  return {
    setupCode,
    uid: agent.identity.uid,
    expiresAt: new Date(window.expiresUs / 1000).toISOString(),
    ...(note === undefined ? {} : { note }),
  }
}

function camerasOf(agent: StorageAgent) {
  const totals = agent.archive.totals()
  return agent.cameras.all().map((camera) => {
    const { key, uid, name, folder, enrolledUs, forgottenUs } = camera
    const stored = totals.find((one) => equalBytes(one.camera, key))
    return {
      name,
      uid,
      folder,
      enrolledAt: isoTime(enrolledUs),
      forgottenAt: isoTime(forgottenUs),
      ...agent.intake.statusOf(key),
      fragments: stored?.fragments ?? 0,
      bytes: stored?.bytes ?? 0,
      firstAt: isoTime(stored?.firstUs),
      lastAt: isoTime(stored?.lastUs),
      lastReceivedAt: isoTime(stored?.lastReceivedUs),
    }
  })
}

async function forget(agent: StorageAgent, text: string) {
  const camera = agent.cameras.find(text)
  await agent.desk.forget(camera.key)
  agent.log.info({ camera: camera.uid, name: camera.name }, 'a camera was forgotten')
  return { name: camera.name, uid: camera.uid, folder: camera.folder, key: toHex(camera.key) }
}

const isoTime = (us: number | undefined) => (us === undefined ? null : new Date(us / 1000).toISOString())
