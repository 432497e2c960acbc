/** Starts the P2P server. */
import { resolve } from 'node:path'
import type { Logger } from 'pino'
import { type Certificate, type CertificateFiles, loadCertificate } from '../link/certificate.ts'
import { type Identity, loadIdentity } from '../link/identity.ts'
import { TLS_PORT_STEP } from '../link/server-addresses.ts'
import type { ServerPlace } from '../link/server-key.ts'
import { UdxPort } from '../link/udx-port.ts'
import { CertificateWatch, type CertificateWatchOptions } from '../p2p/certificate-watch.ts'
import { P2pServer } from '../p2p/server.ts'
import { TlsListener } from '../p2p/tls-listener.ts'
import type { Clock } from '../platform/clock.ts'
import { RealClock } from '../platform/clock-real.ts'
import { realRandom } from '../platform/random.ts'
import { HomewardError, isHomewardError } from '../wire/errors.ts'
import { type Closable, type CommonSettings, type RunningProgram, runProgram } from './agent-process.ts'
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
  /** Where Prometheus asks. */
  readonly metrics: ServerPlace | undefined
}

/** Until a signal; resolves with the exit status. */
export function runP2p(settings: P2pSettings): Promise<number> {
  return runProgram(settings, async (log) => {
    const server = await startP2p(settings, log)
    const { listen, tlsListen, key, metrics } = server
    log.info({ listen, tlsListen, key, ...(metrics === undefined ? {} : { metrics }) }, 'P2P server is up')
    return server
  })
}

interface RunningP2p extends RunningProgram {
  readonly listen: ServerPlace
  readonly tlsListen: ServerPlace
  /** As text; pinned by storage devices and in setup codes. */
  readonly key: string
  readonly metrics: ServerPlace | undefined
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
  const metrics = await listenMetrics(settings, server).catch(async (error: unknown) => {
    await server.close()
    await Promise.all([second?.close(), port.close()])
    throw error
  })
  const renewal = files === undefined ? undefined : await watchCertificate(settings.state, files, tls, clock, log)
  return {
    metrics: metrics?.place,
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
      await renewal?.close()
      await metrics?.listener.close()
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
  return { listener, certificate, place: { host: listen.host, port: listener.port } }
}

async function listenMetrics({ metrics }: P2pSettings, server: P2pServer) {
  if (metrics === undefined) return undefined
  const [{ P2pMetrics }, { MetricsListener }] = await Promise.all([
    import('../p2p/metrics.ts'),
    import('../p2p/metrics-listener.ts'),
  ])
  const listener = await MetricsListener.listen(metrics, new P2pMetrics(server))
  return { listener, place: { host: metrics.host, port: listener.port } }
}

/** A renewed certificate is taken without a restart: within a minute, or at once on SIGHUP. */
async function watchCertificate(
  stateDir: string,
  files: CertificateFiles,
  { listener, certificate }: { readonly listener: TlsListener; readonly certificate: Certificate },
  clock: Clock,
  log: Logger,
): Promise<Closable> {
  const options: CertificateWatchOptions = {
    ...{ stateDir, files, clock },
    onRenewed: (renewed) => {
      listener.useCertificate(renewed)
      log.info({ cert: files.cert }, 'the certificate is renewed: new connections get it')
    },
    onProblem: (message) => log.warn(`${message}; the certificate until now stays in use`),
  }
  const watch = new CertificateWatch(options, certificate)
  const reload = () => void watch.reload()
  await watch.start()
  process.on('SIGHUP', reload)
  return {
    close: () => {
      process.off('SIGHUP', reload)
      return watch.close()
    },
  }
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
