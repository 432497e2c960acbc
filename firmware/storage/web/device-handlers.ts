/** The device itself: status, alerts, events, webhook, pairing, key back-up, metrics. */
import { exportKey } from '../../link/key-backup.ts'
import type { PairingWindow } from '../../link/tokens.ts'
import { formatUid } from '../../link/uid.ts'
import { fromHex } from '../../wire/bytes.ts'
import type { StorageAgent } from '../agent.ts'
import { writeBackupMark } from '../backup-mark.ts'
import { openPairing } from '../pairing.ts'
import { VERSION } from '../version.ts'
import type { Accounts } from './accounts.ts'
import type { Pairings } from './api.ts'
import type { Events } from './events.ts'
import type { Guard } from './guard.ts'
import type { Caller, Handlers } from './handlers.ts'
import type { Metrics } from './metrics.ts'
import type { Monitor } from './monitor.ts'
import { openApi } from './openapi.ts'
import type { Webhook } from './webhook.ts'

export interface DeviceParts {
  readonly agent: StorageAgent
  readonly accounts: Accounts
  readonly monitor: Monitor
  readonly events: Events
  readonly metrics: Metrics
  readonly webhook: Webhook
  readonly guard: Guard
  readonly backedUp: (atUs: number) => void
}

const TEXT = 'text/plain; charset=utf-8'
const toMs = (us: number) => Math.max(0, Math.round(us / 1000))

export function deviceHandlers(parts: DeviceParts) {
  const { agent, accounts, monitor, events, metrics, webhook, guard, backedUp } = parts
  return {
    'GET /healthz': () => ({ headers: { 'content-type': TEXT }, body: 'ok\n' }),
    'GET /metrics': async () => ({ headers: { 'content-type': metrics.contentType }, body: await metrics.text() }),
    'GET /api/openapi.json': () => ({
      headers: { 'content-type': 'application/json; charset=utf-8' },
      body: JSON.stringify(openApi(VERSION)),
    }),
    'GET /api/v1/status': async () => (await monitor.look()).status,
    'GET /api/v1/alerts': async () => {
      await monitor.look()
      return { alerts: monitor.alerts }
    },
    'GET /api/v1/events': ({ signal, caller }) => events.answer(signal, () => isStillIn(accounts, caller)),
    'GET /api/v1/webhook': () => webhook.answer,
    'PUT /api/v1/webhook': async ({ body }) => {
      await webhook.set(body.url, body.secret)
      return webhook.answer
    },
    'POST /api/v1/webhook/test': () => webhook.test(),
    'GET /api/v1/pairings': () => pairingsOf(agent),
    'POST /api/v1/pairings': async ({ body: { name, ttlS } }) => {
      const { setupCode, window, note } = await openPairing(agent, {
        ...(name === undefined || name === '' ? {} : { name }),
        ...(ttlS === undefined ? {} : { ttlS }),
      })
      return { ...pairingFields(window), setupCode, note: note ?? null }
    },
    'POST /api/v1/key-backup': async ({ body: { password, passphrase }, request }) => {
      await guard.guess(request, (known) => accounts.check(password, known))
      const backup = await exportKey(agent.identity, passphrase)
      const atUs = agent.clock.wallUs()
      await writeBackupMark(agent.stateDir, agent.identity.uid, atUs)
      backedUp(atUs)
      return { backup, fileName: `homeward-key-${agent.identity.uid.slice(0, 7)}.txt` }
    },
  } satisfies Partial<Handlers>
}

export function pairingsOf(agent: StorageAgent): Pairings {
  return {
    pairings: agent.tokens.list().map(({ window, state }) => ({
      ...pairingFields(window),
      state,
      camera: window.usedBy === undefined ? null : formatUid(fromHex(window.usedBy)),
    })),
  }
}

const pairingFields = ({ tokenHash, name, expiresUs }: PairingWindow) => ({
  id: tokenHash.slice(0, 16),
  name: name ?? null,
  expiresMs: toMs(expiresUs),
})

function isStillIn(accounts: Accounts, caller: Caller | undefined): boolean {
  if (caller === undefined) return false
  const list = caller.kind === 'owner' ? accounts.sessions() : accounts.tokens()
  return list.some(({ hash }) => hash === caller.hash)
}
