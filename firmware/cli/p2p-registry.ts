/** The registry that `--registry` asks for. */
import type { Logger } from 'pino'
import type { Identity } from '../link/identity.ts'
import type { ServerPlace } from '../link/server-key.ts'
import { MemoryRegistry } from '../p2p/registry/memory.ts'
import type { Registry } from '../p2p/registry/registry.ts'
import type { Clock } from '../platform/clock.ts'
import { toHex } from '../wire/bytes.ts'
import { HomewardError } from '../wire/errors.ts'

export interface OpenRegistry {
  /** `memory`, or the URL of a Redis. */
  readonly registry: string
  readonly listen: ServerPlace
  readonly tlsListen: ServerPlace
  /** Where devices reach this server, if that is not where it listens. */
  readonly public: ServerPlace | undefined
  readonly identity: Identity
  readonly clock: Clock
  readonly log: Logger
}

const ANY_HOST = ['0.0.0.0', '::']

/**
 * Goes on without a Redis that does not answer, and says so. Throws CONFIG_INVALID when the others cannot name this server,
 * or have another key.
 */
export async function openRegistry(options: OpenRegistry): Promise<Registry> {
  const { registry, listen, tlsListen, identity, clock, log } = options
  const own = new MemoryRegistry(clock)
  if (registry === 'memory') return own
  const self = options.public ?? listen
  if (ANY_HOST.includes(self.host)) {
    throw new HomewardError('CONFIG_INVALID', `--registry ${withoutPassword(registry)} without --public`, {
      hint: 'Say with --public HOST:PORT where devices reach this very server: the others send them there.',
    })
  }
  // Only who shares anything waits for the client of Redis to be loaded.
  const [{ RedisStore }, { SharedRegistry }] = await Promise.all([
    import('../p2p/registry/redis-store.ts'),
    import('../p2p/registry/shared.ts'),
  ])
  const store = new RedisStore({
    url: registry,
    self: { host: self.host, port: self.port, tls: tlsListen.port },
    serverKey: toHex(identity.publicKey),
    ttlMs: own.ttlMs,
    clock,
  })
  const place = withoutPassword(registry)
  store.onState((state, why) => {
    if (state === 'up') log.info({ registry: place }, 'the registry is shared with the other servers')
    else if (state === 'foreign') log.error({ registry: place }, foreign(place, why).message)
    else {
      const what = `the registry ${place} does not answer (${why}): what other servers hold is not found; it is tried again`
      log.warn({ registry: place, state }, what)
    }
  })
  const shared = new SharedRegistry(own, store)
  await store.start()
  if (store.state !== 'foreign') return shared
  await shared.close()
  throw foreign(place, 'they have another key than this one')
}

function foreign(place: string, why: string): HomewardError {
  return new HomewardError('CONFIG_INVALID', `the registry ${place} belongs to other P2P servers: ${why}`, {
    hint: 'Servers that share a registry share one key: copy identity.key from the state folder of one to the others.',
  })
}

/** For log and messages. */
function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//')
}
