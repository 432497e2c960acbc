/** For Prometheus: counters and gauges, read from the running agent when they are asked for. */
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Look } from './alerts.ts'

export interface MetricsParts {
  readonly look: () => Promise<Look>
  readonly alerts: () => readonly { readonly kind: string; readonly camera: string | null }[]
  readonly received: (camera: string) => {
    readonly fragments: number
    readonly bytes: number
    readonly gaps: number
    readonly quarantined: number
  }
  readonly connections: () => { readonly open: number; readonly refused: number }
}

const PATHS = ['lan', 'punched', 'relay-udp', 'relay-tls'] as const

export class Metrics {
  readonly #parts: MetricsParts
  readonly #registry = new Registry()
  readonly #gauges = new Map<string, Gauge>()

  constructor(parts: MetricsParts) {
    this.#parts = parts
    collectDefaultMetrics({ register: this.#registry, prefix: 'homeward_' })
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  async text(): Promise<string> {
    const { look, alerts, received, connections } = this.#parts
    const { status, cameras, upMs } = await look()
    for (const gauge of this.#gauges.values()) gauge.reset()
    const { disk, commit } = status
    this.#set('up_seconds', 'since the agent was started', upMs / 1000)
    this.#set('disk_total_bytes', 'size of the storage disk', disk.totalBytes)
    this.#set('disk_free_bytes', 'free on the storage disk', disk.freeBytes)
    this.#set('disk_alarm', '1 while nothing is acknowledged', status.alarm === null ? 0 : 1)
    this.#set('footage_bytes', 'footage of all cameras', disk.footageBytes)
    this.#set('commits', 'group commits since the start', commit.count)
    this.#set('commit_p50_seconds', 'group commit, write and sync, median of the last 1000', seconds(commit.p50Ms))
    this.#set('commit_p99_seconds', 'the same, slowest of a hundred', seconds(commit.p99Ms))
    this.#set('p2p_registered', '1 while registered at the P2P server', status.p2p.state === 'registered' ? 1 : 0)
    this.#set('http_connections', 'open connections of the page', connections().open)
    this.#set('http_refused', 'connections refused since the start', connections().refused)
    for (const { id, name, link, lagMs, card, rates, stored, lastFragmentMs, state } of cameras) {
      if (state === 'forgotten' || state === 'footage-only') continue
      const labels = { camera: name, id: id.slice(0, 7) }
      const { fragments, bytes, gaps, quarantined } = received(id)
      this.#set('camera_connected', '1 while a channel is open', link.connected ? 1 : 0, labels)
      for (const path of PATHS)
        this.#set('camera_path', '1 for the path in use', link.path === path ? 1 : 0, { ...labels, path })
      this.#set('camera_lag_seconds', 'from the end of the newest fragment until it was stored', seconds(lagMs), labels)
      this.#set('camera_last_stored_timestamp_seconds', 'newest fragment', seconds(lastFragmentMs), labels)
      this.#set('camera_unacked_bytes', 'on the card and nowhere else', card?.unackedBytes ?? null, labels)
      this.#set(
        'camera_unacked_age_seconds',
        'age of the oldest of them',
        seconds(card?.oldestUnackedAgeMs ?? null),
        labels,
      )
      this.#set('camera_ring_capacity_bytes', 'of its card', card?.capacityBytes ?? null, labels)
      this.#set('camera_ring_full', '1 while what it films is lost', card === null ? null : Number(card.full), labels)
      this.#set('camera_received_bytes', 'since the start of the agent', bytes, labels)
      this.#set('camera_received_fragments', 'since the start of the agent', fragments, labels)
      this.#set('camera_gaps', 'gaps it told of since the start of the agent', gaps, labels)
      this.#set('camera_quarantined', 'records that could not be opened since the start', quarantined, labels)
      this.#set('camera_receive_bytes_per_second', 'mean of the last minute', rates.bytesPerSecond, labels)
      this.#set('camera_stored_bytes', 'on the disk', stored.bytes, labels)
    }
    for (const { kind, camera } of alerts()) {
      const name = cameras.find(({ id }) => id === camera)?.name ?? ''
      this.#set('alert', '1 for each that is on', 1, { kind, camera: name })
    }
    return this.#registry.metrics()
  }

  /** A value that is not known is not there, rather than 0. */
  #set(name: string, help: string, value: number | null, labels: Readonly<Record<string, string>> = {}): void {
    let gauge = this.#gauges.get(name)
    if (gauge === undefined) {
      gauge = new Gauge({
        name: `homeward_${name}`,
        help,
        labelNames: Object.keys(labels),
        registers: [this.#registry],
      })
      this.#gauges.set(name, gauge)
    }
    if (value !== null) gauge.set(labels, value)
  }
}

const seconds = (ms: number | null) => (ms === null ? null : ms / 1000)
