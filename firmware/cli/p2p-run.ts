/** Starts the P2P server. */
import { resolve } from 'node:path'
import type { Logger } from 'pino'
import { type CertificateFiles, loadCertificate } from '../link/certificate.ts'
import { type Identity, loadIdentity } from '../link/identity.ts'
import { TLS_PORT_STEP } from '../link/server-addresses.ts'
import type { ServerPlace } from '../link/server-key.ts'
import { UdxPort } from '../link/udx-port.ts'
import { P2pServer } from '../p2p/server.ts'
import { TlsListener } from '../p2p/tls-listener.ts'
import type { Clock } from '../platform/clock.ts'
import { RealClock } from '../platform/clock-real.ts'
import { realRandom } from '../platform/random.ts'
import { HomewardError, isHomewardError } from '../wire/errors.ts'
import { type CommonSettings, type RunningProgram, runProgram } from './agent-process.ts'
import { openRegistry } from './p2p-registry.ts'

export interface P2pSettings extends CommonSettings {
  readonly listen: ServerPlace
  /** Undefined: where devices look for it when nobody tells them otherwise. */
  readonly tlsListen: ServerPlace | undefined
  /** PEM files, both or neither; '' is none. */
  readonly tlsCert: string
  readonly tlsKey: string
  /** `memory`, or the URL of a Redis. */
  readonly registry: string
  /** Where devices reach this server, if that is not where it listens. */
  readonly public: ServerPlace | undefined
}

/** Until a signal; resolves with the exit status. */
export function runP2p(settings: P2pSettings): Promise<number> {
  return runProgram(settings, async (log) => {
    const server = await startP2p(settings, log)
    log.info({ listen: server.listen, tlsListen: server.tlsListen, key: server.key }, 'P2P server is up')
    return server
  })
}

interface RunningP2p extends RunningProgram {
  readonly listen: ServerPlace
  readonly tlsListen: ServerPlace
  /** As text; pinned by storage devices and in setup codes. */
  readonly key: string
}

async function startP2p(settings: P2pSettings, log: Logger): Promise<RunningP2p> {
  const { state, listen: asked } = settings
  const files = certificateFiles(settings)
  const identity = await loadIdentity(state)
  const clock = new RealClock()
  const port = new UdxPort(asked)
  const listen = { host: asked.host, port: port.local.port }
  const tls = await listenTls(settings, identity, clock, files).catch(async (error: unknown) => {
    await port.close()
    throw error
  })
  const second = secondPort({ host: tls.place.host, port: tls.place.port })
  const registry = await openRegistry({
    ...{ registry: settings.registry, public: settings.public },
    ...{ listen, tlsListen: tls.place, identity, clock, log },
  }).catch(async (error: unknown) => {
    await Promise.all([tls.listener.close(), second?.close(), port.close()])
    throw error
  })
  const server = new P2pServer({
    port,
    ...(second === undefined ? {} : { second }),
    streams: port,
    tls: tls.listener,
    identity,
    registry,
    clock,
    random: realRandom,
  })
  server.start()
  return {
    listen,
    tlsListen: tls.place,
    key: identity.uid,
    commands: {
      status: async () => ({
        key: identity.uid,
        listen,
        tlsListen: tls.place,
        counters: server.counters,
        ...(await server.stats()),
      }),
    },
    close: async () => {
      await server.close()
      await second?.close()
      await port.close()
    },
  }
}

async function listenTls(settings: P2pSettings, identity: Identity, clock: Clock, files: CertificateFiles | undefined) {
  const listen = tlsPlace(settings)
  const certificate = await loadCertificate(settings.state, files)
  const listener = await TlsListener.listen({ listen, certificate, identity, clock })
  return { listener, place: { host: listen.host, port: listener.port } }
}

/** UDP under the number of the TLS port. Without it devices cannot tell what their NAT does, and all else goes on. */
function secondPort(place: ServerPlace): UdxPort | undefined {
  try {
    return new UdxPort(place)
  } catch (error) {
    if (isHomewardError(error, 'ADDRESS_IN_USE', 'CONFIG_INVALID')) return undefined
    throw error
  }
}

function tlsPlace({ listen, tlsListen }: P2pSettings): ServerPlace {
  if (tlsListen !== undefined) return tlsListen
  const port = listen.port === 0 ? 0 : listen.port + TLS_PORT_STEP
  if (port <= 65_535) return { host: listen.host, port }
  throw new HomewardError('CONFIG_INVALID', `there is no TCP port ${port}, ${TLS_PORT_STEP} above that of --listen`, {
    hint: 'Say where to listen for TLS with --tls-listen.',
  })
}

function certificateFiles({ tlsCert, tlsKey }: P2pSettings): CertificateFiles | undefined {
  if (tlsCert === '' && tlsKey === '') return undefined
  if (tlsCert !== '' && tlsKey !== '') return { cert: resolve(tlsCert), key: resolve(tlsKey) }
  const [given, missing] = tlsCert === '' ? ['--tls-key', '--tls-cert'] : ['--tls-cert', '--tls-key']
  throw new HomewardError('CONFIG_INVALID', `${given} without ${missing}: a certificate and its key belong together`, {
    hint: 'Give both, or neither: then the server makes its own.',
  })
}
