/** What a camera agent is told at its start, and what it takes from the machine. */
import type { Logger } from 'pino'
import type { ServerPlace } from '../link/server-key.ts'
import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'

export interface CameraSettings {
  readonly state: string
  readonly source: string
  /** Folder of the ring; undefined: memory only. */
  readonly ring: string | undefined
  /** What the ring may take of the card; undefined: all that is free. */
  readonly ringSize: number | undefined
  /** In place of the address in the setup code; its key pin stays. */
  readonly p2p: ServerPlace | undefined
  /** Where the P2P server is reached by TLS; undefined: the same host, the port that it says itself. */
  readonly p2pTls: ServerPlace | undefined
  readonly listen: ServerPlace
}

export interface AgentBase {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}
