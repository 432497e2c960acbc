/** What forwarding costs the P2P server: processor time for each relayed gigabyte, beside coturn doing the same. */
import { TestHome } from '../../firmware/cli/test-home.ts'
import { parseUid } from '../../firmware/link/uid.ts'
import type { Skipped } from './bench.ts'
import { Coturn } from './coturn.ts'
import { cpuMs } from './process-use.ts'
import { RelayPair } from './relay-pair.ts'
import { figure, type Row, spreadOf } from './row.ts'

const ROUNDS = 5
/**
 * One camera of 8 Mbit/s, where it counts what a relay costs by its mere being there; and as much as eight of them, below
 * what our relay allows one storage device, where the forwarding counts.
 */
const PACES_BYTES_PER_SECOND = [1_000_000, 8_000_000] as const
const WARM_S = 1
const MEASURE_S = 6

interface Round {
  readonly cpuMs: number
  readonly packets: number
  readonly tookMs: number
}

interface ServerStatus {
  readonly key: string
  readonly listen: { readonly host: string; readonly port: number }
}

export async function relay(): Promise<Row[] | Skipped> {
  const version = Coturn.version()
  if (version === undefined) return { skipped: 'there is no turnserver: sudo apt-get install -y coturn' }
  const home = await TestHome.create()
  try {
    const server = await home.startServer()
    const { key, listen } = (await server.call('status')) as ServerStatus
    const coturn = await Coturn.start(home.folder)
    try {
      const rows: Row[] = []
      for (const pace of PACES_BYTES_PER_SECOND) {
        const [ours, rival]: [Round[], Round[]] = [[], []]
        for (let round = 1; round <= ROUNDS; round += 1) {
          ours.push(await measure(pace, server.pid, () => RelayPair.byOurs({ ...listen, key: parseUid(key) })))
          rival.push(await measure(pace, coturn.pid, () => RelayPair.byTurn(coturn.address)))
        }
        rows.push(rowOf(pace, ours, rival, version))
      }
      return rows
    } finally {
      await coturn.close()
    }
  } finally {
    await home.close()
  }
}

/** One secret-stream over udx, from its second second on. */
async function measure(pace: number, pid: number, open: () => Promise<RelayPair>): Promise<Round> {
  const pair = await open()
  try {
    await pair.move(WARM_S * pace, pace)
    const before = await cpuMs(pid)
    const sent = await pair.move(MEASURE_S * pace, pace)
    return { ...sent, cpuMs: (await cpuMs(pid)) - before }
  } finally {
    await pair.close()
  }
}

function rowOf(pace: number, ours: readonly Round[], rival: readonly Round[], version: string): Row {
  const perGb = (rounds: readonly Round[]) => rounds.map((round) => round.cpuMs / 1000 / ((MEASURE_S * pace) / 1e9))
  const each = (rounds: readonly Round[]) => {
    const median = (value: (round: Round) => number) => figure(spreadOf(rounds.map(value)).median)
    const perPacket = median((round) => (round.cpuMs * 1000) / round.packets)
    return `${median((round) => round.packets)} datagrams, ${perPacket} µs for each`
  }
  const slowest = Math.max(...[...ours, ...rival].map(({ tookMs }) => tookMs)) / 1000
  return {
    name: `relay over UDP at ${pace / 1e6} MB/s, processor`,
    unit: 's/GB',
    ours: perGb(ours),
    rival: perGb(rival),
    rivalName: `coturn ${version}`,
    by: 'median',
    target: { most: 1.5 },
    notes: [
      `of the relay's process, for ${(MEASURE_S * pace) / 1e6} MB in each round, of which the slowest took ${figure(slowest)} s`,
      `ours ${each(ours)}; coturn ${each(rival)}`,
    ],
  }
}
