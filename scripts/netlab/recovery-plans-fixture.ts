/** What goes wrong in which lab, for the test of recovery. */
import type { ChannelPath } from '../../firmware/link/channel.ts'
import { closePath, openPath } from './path-rules.ts'
import type { StreamingHome } from './stream-fixture.ts'
import { pause } from './tool.ts'

/** After a restart of the P2P server, to which the storage device has to come back first. */
const SERVED_WITHIN_MS = 15_000
/** Longer than a silent channel is kept. */
const OUTAGE_MS = 7_000
/** As long as a storage device that went over to TLS may take to try UDP again, and its camera after it. */
const UDP_AGAIN_WITHIN_MS = 150_000

export interface Fault {
  readonly what: string
  /** It flows again from when this resolves. */
  readonly hurt: (home: StreamingHome) => Promise<void> | void
  readonly withinMs?: number
  /** The best path that is left: it is on that one soon, and at first on that or a worse one. */
  readonly on?: ChannelPath
  readonly mend?: (home: StreamingHome) => void
}

/** One lab, which goes through its faults one after the other. */
export interface Plan {
  readonly name: string
  readonly topology: string
  /** The path that it is on before each fault, and after the last. */
  readonly path: ChannelPath
  readonly faults: readonly Fault[]
  /** Only when everything is asked for. */
  readonly long?: true
  readonly returnsWithinMs?: number
}

function unplugged(node: string, forMs = OUTAGE_MS): Fault {
  return {
    what: `the cable of ${node} pulled for ${forMs} ms`,
    hurt: async ({ lab }) => {
      lab.faults.pull(node)
      await pause(forMs)
      lab.faults.plug(node)
    },
  }
}

function renumbered(node: string, address: string): Fault {
  return { what: `${node} gets ${address}`, hurt: ({ lab }) => lab.faults.renumber(node, address) }
}

function flushed(...routers: string[]): Fault {
  return {
    what: `${routers.join(' and ')} forget all mappings`,
    hurt: ({ lab }) => {
      for (const router of routers) lab.faults.flush(router)
    },
  }
}

function serverRestarted(downMs = 1_000): Fault {
  return {
    what: `the P2P server killed, and started again ${downMs} ms later`,
    hurt: async ({ home }) => {
      await home.program('server').kill()
      await pause(downMs)
      await home.startServer()
    },
    withinMs: SERVED_WITHIN_MS,
  }
}

function oneWay(from: string, to: string, on: ChannelPath): Fault {
  return {
    what: `nothing passes from ${from} to ${to}`,
    hurt: ({ lab }) => closePath(lab, from, to),
    on,
    mend: ({ lab }) => openPath(lab, to),
  }
}

function udpBlocked(node: string): Fault {
  return {
    what: `no UDP through the line of ${node}`,
    hurt: ({ lab }) => lab.faults.blockUdp(node),
    on: 'relay-tls',
    mend: ({ lab }) => lab.faults.allowUdp(node),
  }
}

export const LAN_PLANS: readonly Plan[] = [
  {
    name: 'lan-cables',
    topology: 'same-lan',
    path: 'lan',
    faults: [unplugged('camera'), unplugged('storage')],
  },
  {
    name: 'lan-changes',
    topology: 'same-lan',
    path: 'lan',
    faults: [renumbered('camera', '192.168.1.77/24'), renumbered('storage', '192.168.1.78/24')],
  },
  {
    name: 'lan-cuts',
    topology: 'same-lan',
    path: 'lan',
    faults: [oneWay('camera', 'storage', 'relay-udp'), oneWay('storage', 'camera', 'relay-udp')],
  },
  {
    name: 'lan-others',
    topology: 'same-lan',
    path: 'lan',
    faults: [serverRestarted(), flushed('home'), unplugged('camera', 1_000)],
    long: true,
  },
]

export const PUNCHED_PLANS: readonly Plan[] = [
  {
    name: 'punched-cables',
    topology: 'two-cones',
    path: 'punched',
    faults: [unplugged('camera'), unplugged('storage')],
  },
  {
    name: 'punched-lines',
    topology: 'two-cones',
    path: 'punched',
    faults: [unplugged('camera-home'), unplugged('storage-home')],
    long: true,
  },
  {
    name: 'punched-changes',
    topology: 'two-cones',
    path: 'punched',
    // Its router keeps the old mapping, and gives it another port; once it has forgotten, the first one again.
    faults: [renumbered('storage', '192.168.1.78/24'), flushed('camera-home', 'storage-home')],
  },
  {
    name: 'punched-moves',
    topology: 'two-cones',
    path: 'punched',
    faults: [renumbered('camera-home', '203.0.113.77/24'), renumbered('storage-home', '203.0.113.78/24')],
  },
  {
    name: 'punched-others',
    topology: 'two-cones',
    path: 'punched',
    faults: [
      serverRestarted(),
      flushed('camera-home'),
      flushed('storage-home'),
      renumbered('camera', '192.168.1.77/24'),
    ],
    long: true,
  },
  {
    name: 'punched-cuts',
    topology: 'two-cones',
    path: 'punched',
    faults: [oneWay('camera-home', 'storage-home', 'relay-udp'), oneWay('storage-home', 'camera-home', 'relay-udp')],
  },
  { name: 'punched-block-camera', topology: 'two-cones', path: 'punched', faults: [udpBlocked('camera-home')] },
  { name: 'punched-block-storage', topology: 'two-cones', path: 'punched', faults: [udpBlocked('storage-home')] },
]

export const RELAYED_PLANS: readonly Plan[] = [
  {
    name: 'relay-udp-cables',
    topology: 'both-symmetric',
    path: 'relay-udp',
    faults: [unplugged('camera'), unplugged('storage')],
    long: true,
  },
  {
    name: 'relay-udp-changes',
    topology: 'both-symmetric',
    path: 'relay-udp',
    faults: [renumbered('camera', '192.168.1.77/24'), renumbered('storage', '192.168.1.78/24')],
    long: true,
  },
  {
    name: 'relay-udp-flush',
    topology: 'both-symmetric',
    path: 'relay-udp',
    faults: [flushed('camera-home'), flushed('storage-home')],
  },
  { name: 'relay-udp-server', topology: 'both-symmetric', path: 'relay-udp', faults: [serverRestarted()] },
  {
    name: 'relay-udp-server-gone',
    topology: 'both-symmetric',
    path: 'relay-udp',
    faults: [serverRestarted(10_000)],
    long: true,
  },
  {
    name: 'relay-udp-block-camera',
    topology: 'both-symmetric',
    path: 'relay-udp',
    faults: [udpBlocked('camera-home')],
  },
  {
    name: 'relay-udp-block-storage',
    topology: 'both-symmetric',
    path: 'relay-udp',
    faults: [udpBlocked('storage-home')],
    long: true,
    returnsWithinMs: UDP_AGAIN_WITHIN_MS,
  },
  {
    name: 'relay-tls-cables',
    topology: 'udp-blocked-camera',
    path: 'relay-tls',
    faults: [unplugged('camera'), unplugged('storage')],
    long: true,
  },
  {
    name: 'relay-tls-changes',
    topology: 'udp-blocked-camera',
    path: 'relay-tls',
    faults: [renumbered('camera', '192.168.1.77/24'), serverRestarted()],
  },
  {
    name: 'relay-tls-others',
    topology: 'udp-blocked-camera',
    path: 'relay-tls',
    faults: [renumbered('storage', '192.168.1.78/24'), flushed('camera-home', 'storage-home')],
    long: true,
  },
  {
    name: 'relay-tls-storage',
    topology: 'udp-blocked-storage',
    path: 'relay-tls',
    faults: [renumbered('storage', '192.168.1.78/24'), serverRestarted()],
    long: true,
  },
]
