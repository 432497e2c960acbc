/** What commands may ask of a running camera agent, by its control socket. */
import * as v from 'valibot'
import { formatUid } from '../link/uid.ts'
import type { ControlHandler } from '../platform/control.ts'
import { errorLine, HomewardError } from '../wire/errors.ts'
import type { CameraAgent } from './agent.ts'
import type { Ring } from './ring/ring.ts'
import { countWaiting, logsForOthers } from './waiting.ts'

const setupArgs = v.object({
  code: v.string(),
  name: v.optional(v.string(), ''),
  discard: v.optional(v.boolean(), false),
})

/** Programs find every key, whatever the camera does. */
const NOT_FILMING = {
  path: null,
  lastAttempt: null,
  seq: { captured: null, acked: null, lost: null },
  ring: { capacityBytes: null, usedBytes: null, unackedBytes: null, oldestUnackedAgeMs: null },
  ledger: { onCard: null, safe: null, lost: {} },
  encoder: null,
} as const

export function cameraCommands(agent: CameraAgent): Record<string, ControlHandler> {
  return {
    status: () => cameraStatus(agent),
    ring: () => ringsOf(agent),
    setup: async (args) => {
      const result = v.safeParse(setupArgs, args)
      if (!result.success) throw new HomewardError('USAGE', result.issues[0].message)
      const { code, name, discard } = result.output
      return { ...(await agent.setUp(code, name, discard)), running: true }
    },
    'stop-capture': async () => {
      await agent.filming?.stopCapture()
    },
  }
}

export function cameraStatus(agent: CameraAgent) {
  const { filming, pairing, base } = agent
  const { clock } = base
  const common = {
    provisioned: pairing !== undefined,
    uid: agent.identity.uid,
    name: pairing?.name ?? pairing?.wantedName ?? '',
    storage: pairing === undefined ? null : formatUid(pairing.storage),
    clock: { quality: clock.quality(), utc: new Date(clock.wallUs() / 1000).toISOString() },
    process: processUse(),
  }
  if (pairing === undefined) return { ...common, state: 'not-set-up', ...NOT_FILMING }
  if (filming === undefined) {
    return { ...common, state: 'not-filming', ...NOT_FILMING, ...toldAs('problem', agent.problem) }
  }
  const { recorder, uplink, link, capture } = filming
  const { captured, lost } = recorder.counts
  const { card, cardProblem } = recorder
  const state = capture.state
  const uplinkStatus = uplink.status
  return {
    ...common,
    ...(filming.linkProblem === undefined ? {} : { problem: filming.linkProblem }),
    path: null,
    lastAttempt: null,
    ...link.status(),
    seq: { captured, acked: uplinkStatus.acked, lost },
    ring: {
      card,
      ...(cardProblem === undefined ? {} : { problem: errorLine(cardProblem) }),
      ...sumStats(recorder.rings),
      waitingForOthers: countWaiting(logsForOthers(recorder.rings, pairing.storage)),
    },
    ledger: {
      onCard: countWaiting(recorder.rings.flatMap((ring) => ring.logs())),
      safe: uplinkStatus.acked + uplinkStatus.ackedBefore,
      lost: recorder.lostBy,
    },
    encoder: {
      state: state.state,
      restarts: state.restarts,
      ...toldAs('lastError', state.lastError),
    },
    ...(uplinkStatus.alarm === undefined ? {} : { alarm: uplinkStatus.alarm }),
    uplink: uplinkStatus,
    ackDelay: filming.delay.stats(),
  }
}

function toldAs(name: string, error: HomewardError | undefined) {
  if (error === undefined) return {}
  const { code, message, hint } = error
  return { [name]: { code, message, ...(hint === undefined ? {} : { hint }) } }
}

function sumStats(rings: readonly Ring[]) {
  const all = rings.map((ring) => ring.stats())
  const sum = (pick: (one: (typeof all)[number]) => number) => all.reduce((total, one) => total + pick(one), 0)
  return {
    capacityBytes: sum((one) => one.capacityBytes),
    usedBytes: sum((one) => one.usedBytes),
    unackedBytes: sum((one) => one.unackedBytes),
    oldestUnackedAgeMs: Math.max(0, ...all.map((one) => one.oldestUnackedAgeMs)),
    writtenBytes: sum((one) => one.writtenBytes),
    capturedBytes: sum((one) => one.capturedBytes),
    full: all.some((one) => one.full),
  }
}

function ringsOf({ filming }: CameraAgent) {
  return (filming?.recorder.rings ?? []).map((ring) => ({
    log: ring.log,
    ...ring.stats(),
    logs: ring.logs().map(({ recipient, ...log }) => ({ ...log, recipient: formatUid(recipient) })),
    damage: ring.damage(),
  }))
}

function processUse() {
  const { user, system } = process.cpuUsage()
  return { cpuMs: Math.round((user + system) / 1000), rssBytes: process.memoryUsage.rss() }
}
