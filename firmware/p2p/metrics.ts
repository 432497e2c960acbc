/** What a P2P server counts, for Prometheus. Everything is read when it is asked for: between two questions it costs nothing. */
import { readdir } from 'node:fs/promises'
import { Counter, Gauge, Registry } from 'prom-client'
import { SHARING_STATES } from './registry/registry.ts'
import type { P2pServer, P2pServerCounters, P2pServerStats } from './server.ts'
import type { RelayCounters } from './udp-relays.ts'

type Values<Label extends string> = readonly (readonly [Readonly<Record<Label, string>>, number])[]

interface Snapshot {
  readonly counters: Readonly<P2pServerCounters>
  readonly stats: P2pServerStats
}

export class P2pMetrics {
  readonly #registry = new Registry()
  readonly #server: P2pServer
  #snapshot: Snapshot | undefined

  constructor(server: P2pServer) {
    this.#server = server
    this.#addRendezvous()
    this.#addRelays()
    this.#addTls()
    this.#addSharing()
    this.#addProcess()
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** In the text format of Prometheus. */
  async text(): Promise<string> {
    this.#snapshot = { counters: this.#server.counters, stats: await this.#server.stats() }
    return this.#registry.metrics()
  }

  #addRendezvous(): void {
    this.#gauge('devices', 'Storage devices that are registered here.', [], ({ stats }) => [[{}, stats.uids]])
    this.#gauge('keys', 'Look-up keys of these: one for each camera and open setup code.', [], ({ stats }) => [
      [{}, stats.keys],
    ])
    this.#gauge('rate_rows', 'Addresses whose rate is limited just now, in all tables.', [], ({ stats }) => [
      [{}, stats.sources],
    ])
    this.#counter('registrations', 'Requests to register, by what became of them.', 'outcome', ({ counters }) =>
      pick(counters, ['challenged', 'registered', 'repeated', 'kept', 'outdated', 'refused', 'forged']),
    )
    this.#counter('lookups', 'Look-ups, by what became of them.', 'outcome', ({ counters }) =>
      pick(counters, ['found', 'elsewhere', 'unknown']),
    )
    this.#counter('messages', 'Datagrams, and frames over TLS.', 'direction', ({ counters }) => [
      [{ direction: 'in' }, counters.received],
      [{ direction: 'out' }, counters.answered],
    ])
    this.#counter('dropped', 'Datagrams and frames that were not answered, by reason.', 'reason', ({ counters }) => [
      [{ reason: 'malformed' }, counters.malformed],
      [{ reason: 'misdirected' }, counters.misdirected],
      [{ reason: 'limited' }, counters.limited + counters.carryLimited],
      [{ reason: 'busy' }, counters.dropped],
      [{ reason: 'failed' }, counters.failed],
      [{ reason: 'longer-than-request' }, counters.withheld],
    ])
    this.#counter('carries', 'Boxes carried to storage devices and back, by what became of them.', 'outcome', (at) => [
      [{ outcome: 'carried' }, at.counters.carried],
      [{ outcome: 'unknown' }, at.counters.carryUnknown],
      [{ outcome: 'limited' }, at.counters.carryLimited],
      [{ outcome: 'returned' }, at.counters.returned],
      [{ outcome: 'return-unproven' }, at.counters.returnUnproven],
      [{ outcome: 'return-stale' }, at.counters.returnStale],
      [{ outcome: 'return-withheld' }, at.counters.returnWithheld],
    ])
  }

  #addRelays(): void {
    this.#gauge('relays', 'Relays that are open, those too that wait for their second end.', ['kind'], ({ stats }) => [
      [{ kind: 'udp' }, stats.relaysByKind.udp],
      [{ kind: 'tls' }, stats.relaysByKind.tls],
    ])
    this.#counter('relayed_bytes', 'Bytes that arrived for relays.', 'kind', ({ counters }) => [
      [{ kind: 'udp' }, counters.relayUdp.bytes],
      [{ kind: 'tls' }, counters.relayTls.bytes],
    ])
    this.#gauge('relays_slowed', 'Directions over UDP that carry more than their budget just now.', [], (at) => [
      [{}, at.counters.relayUdp.onDetour],
    ])
    const outcomes = ['opened', 'joined', 'unknown', 'unproven', 'refused', 'abandoned', 'idle'] as const
    const of = (kind: string, relays: RelayCounters) =>
      outcomes.map((outcome) => [{ kind, outcome }, relays[outcome]] as const)
    const help = 'Relays, by kind and by what became of them.'
    this.#counters('relay_requests', help, ['kind', 'outcome'], ({ counters }) => [
      ...of('udp', counters.relayUdp),
      ...of('tls', counters.relayTls),
    ])
  }

  #addTls(): void {
    this.#gauge('tls_connections', 'Connections by TLS that are open.', [], ({ stats }) => [[{}, stats.tlsConnections]])
    this.#counter('tls', 'Connections by TLS, by what became of them.', 'outcome', ({ counters: { tls } }) =>
      tls === undefined ? [] : pick(tls, ['accepted', 'turnedAway', 'failedHandshakes', 'malformed', 'late']),
    )
  }

  #addSharing(): void {
    this.#gauge('registry_state', '1 for the state of the shared registry.', ['state'], ({ stats: { sharing } }) =>
      sharing === undefined ? [] : SHARING_STATES.map((state) => [{ state }, Number(state === sharing.state)] as const),
    )
    this.#counter('registry_questions', 'Questions to the shared registry.', 'outcome', ({ stats: { sharing } }) =>
      sharing === undefined ? [] : pick(sharing, ['asked', 'failed', 'limited', 'moved']),
    )
  }

  /** Under the names that are usual. prom-client's own set has a timer that wakes the process a hundred times a second. */
  #addProcess(): void {
    const registers = [this.#registry]
    const cpu: Counter = new Counter({
      ...{ name: 'process_cpu_seconds_total', help: 'Processor time, user and system.', registers },
      collect: () => {
        const { user, system } = process.cpuUsage()
        cpu.reset()
        cpu.inc((user + system) / 1e6)
      },
    })
    const gauge = (name: string, help: string, read: () => number | Promise<number>) => {
      const metric: Gauge = new Gauge({ name, help, registers, collect: async () => metric.set(await read()) })
    }
    const startS = Date.now() / 1000 - process.uptime()
    gauge('process_start_time_seconds', 'Since 1970, in UTC.', () => startS)
    gauge('process_resident_memory_bytes', 'Memory of the process.', () => process.memoryUsage.rss())
    gauge('nodejs_heap_size_used_bytes', 'Memory of the heap that is in use.', () => process.memoryUsage().heapUsed)
    gauge('process_open_fds', 'Files and sockets that are open.', async () => {
      const open = await readdir('/proc/self/fd').catch(() => [])
      return open.length
    })
  }

  #gauge<L extends string>(name: string, help: string, labelNames: readonly L[], read: (at: Snapshot) => Values<L>) {
    const gauge: Gauge<L> = new Gauge<L>({
      ...{ name: `homeward_p2p_${name}`, help, labelNames: [...labelNames], registers: [this.#registry] },
      collect: () => {
        const at = this.#snapshot
        if (at !== undefined) for (const [labels, value] of read(at)) gauge.set(labels, value)
      },
    })
  }

  #counter<L extends string>(name: string, help: string, label: L, read: (at: Snapshot) => Values<L>) {
    this.#counters(name, help, [label], read)
  }

  #counters<L extends string>(name: string, help: string, labelNames: readonly L[], read: (at: Snapshot) => Values<L>) {
    const counter: Counter<L> = new Counter<L>({
      ...{ name: `homeward_p2p_${name}_total`, help, labelNames: [...labelNames], registers: [this.#registry] },
      collect: () => {
        const at = this.#snapshot
        if (at === undefined) return
        counter.reset()
        for (const [labels, value] of read(at)) counter.inc(labels, value)
      },
    })
  }
}

function pick<K extends string>(counters: Readonly<Record<K, number>>, names: readonly K[]): Values<'outcome'> {
  return names.map((name) => [{ outcome: dashed(name) }, counters[name]] as const)
}

const dashed = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
