/** The table of topologies: what stands between a camera and its storage device, and which path that allows at best. */
import { HomewardError } from '../../firmware/wire/errors.ts'
import type { NodePlan, Topology } from './topology.ts'

/** Network on which the P2P server is, and the one that the lines of homes are on. */
const BACKBONE = 'backbone'
const LINES = 'lines'
const ISP = '203.0.113.1'

/** The P2P server, and the router between it and everybody's line. */
const INTERNET: readonly NodePlan[] = [
  host('server', BACKBONE, '198.51.100.10/24', '198.51.100.1'),
  {
    name: 'core',
    ports: [
      { network: BACKBONE, address: '198.51.100.1/24' },
      { network: LINES, address: `${ISP}/24` },
    ],
    forwards: { kind: 'routed' },
  },
]

type Nat = 'port-keeping' | 'symmetric'

function host(name: string, network: string, address: string, gateway: string): NodePlan {
  return { name, ports: [{ network, address }], gateway }
}

/**
 * A home's router. All homes use 192.168.1.0/24, as most do: a private address of one home is somebody else's in the
 * next.
 */
function home(name: string, lan: string, line: string, kind: Nat): NodePlan {
  return {
    name,
    ports: [
      { network: lan, address: '192.168.1.1/24' },
      { network: LINES, address: line },
    ],
    gateway: ISP,
    forwards: { kind, wan: LINES },
  }
}

const HOME_GATEWAY = '192.168.1.1'
const CAMERA_LAN = 'camera-lan'
const STORAGE_LAN = 'storage-lan'
const cameraAt = (network: string) => host('camera', network, '192.168.1.20/24', HOME_GATEWAY)
const storageAt = (network: string) => host('storage', network, '192.168.1.10/24', HOME_GATEWAY)

/** Camera and storage device in one home. */
const ONE_HOME: readonly NodePlan[] = [
  ...INTERNET,
  home('home', 'lan', '203.0.113.20/24', 'port-keeping'),
  cameraAt('lan'),
  storageAt('lan'),
]

/** Each of them in a home of its own. */
function twoHomes(cameraNat: Nat, storageNat: Nat): readonly NodePlan[] {
  return [
    ...INTERNET,
    home('camera-home', CAMERA_LAN, '203.0.113.20/24', cameraNat),
    home('storage-home', STORAGE_LAN, '203.0.113.30/24', storageNat),
    cameraAt(CAMERA_LAN),
    storageAt(STORAGE_LAN),
  ]
}

/** One search in 450 finds nothing; the next comes with the upgrade after 75 s. */
const SEARCHED = {
  best: 'punched',
  onTheWay: ['relay-udp', 'relay-tls'],
  searchedWithinMs: 100_000,
} as const satisfies Partial<Topology>

export const TOPOLOGIES: readonly Topology[] = [
  {
    name: 'same-lan',
    about: 'camera and storage device in one home',
    nodes: ONE_HOME,
    best: 'lan',
  },
  {
    name: 'routed',
    about: 'two subnets of one home, a router and no NAT between them',
    nodes: [
      ...INTERNET,
      {
        name: 'home',
        ports: [
          { network: STORAGE_LAN, address: '192.168.1.1/24' },
          { network: CAMERA_LAN, address: '192.168.2.1/24' },
          { network: LINES, address: '203.0.113.20/24' },
        ],
        gateway: ISP,
        forwards: { kind: 'port-keeping', wan: LINES },
      },
      host('camera', CAMERA_LAN, '192.168.2.20/24', '192.168.2.1'),
      storageAt(STORAGE_LAN),
    ],
    best: 'lan',
  },
  {
    name: 'two-cones',
    about: 'two homes, both NATs keep ports',
    nodes: twoHomes('port-keeping', 'port-keeping'),
    best: 'punched',
    onTheWay: ['relay-udp', 'relay-tls'],
  },
  {
    name: 'cone-symmetric',
    about: 'two homes, the camera behind a symmetric NAT',
    nodes: twoHomes('symmetric', 'port-keeping'),
    ...SEARCHED,
  },
  {
    name: 'symmetric-cone',
    about: 'two homes, the storage device behind a symmetric NAT',
    nodes: twoHomes('port-keeping', 'symmetric'),
    ...SEARCHED,
  },
  {
    name: 'both-symmetric',
    about: 'two homes, both NATs symmetric',
    nodes: twoHomes('symmetric', 'symmetric'),
    best: 'relay-udp',
    onTheWay: ['relay-tls'],
  },
  {
    name: 'udp-blocked-camera',
    about: "two homes, no UDP through the camera's line",
    nodes: twoHomes('port-keeping', 'port-keeping'),
    udpBlocked: ['camera-home'],
    best: 'relay-tls',
  },
  {
    name: 'udp-blocked-storage',
    about: "two homes, no UDP through the storage device's line",
    nodes: twoHomes('port-keeping', 'port-keeping'),
    udpBlocked: ['storage-home'],
    best: 'relay-tls',
  },
  {
    name: 'udp-blocked-both',
    about: 'two homes, no UDP through either line',
    nodes: twoHomes('port-keeping', 'port-keeping'),
    udpBlocked: ['camera-home', 'storage-home'],
    best: 'relay-tls',
  },
  {
    name: 'server-dead',
    about: 'one home, the P2P server stopped after pairing',
    nodes: ONE_HOME,
    serverDies: true,
    best: 'lan',
  },
  {
    name: 'two-cameras',
    about: 'two homes, two cameras behind one NAT',
    nodes: [...twoHomes('port-keeping', 'port-keeping'), host('camera-2', CAMERA_LAN, '192.168.1.21/24', HOME_GATEWAY)],
    best: 'punched',
    onTheWay: ['relay-udp', 'relay-tls'],
  },
  {
    name: 'double-nat',
    about: "two homes, the storage device's behind its provider's NAT as well",
    nodes: [
      ...INTERNET,
      home('camera-home', CAMERA_LAN, '203.0.113.20/24', 'port-keeping'),
      cameraAt(CAMERA_LAN),
      {
        name: 'carrier',
        ports: [
          { network: 'carrier-net', address: '100.64.0.1/24' },
          { network: LINES, address: '203.0.113.30/24' },
        ],
        gateway: ISP,
        forwards: { kind: 'port-keeping', wan: LINES },
      },
      {
        name: 'storage-home',
        ports: [
          { network: STORAGE_LAN, address: '192.168.1.1/24' },
          { network: 'carrier-net', address: '100.64.0.30/24' },
        ],
        gateway: '100.64.0.1',
        forwards: { kind: 'port-keeping', wan: 'carrier-net' },
      },
      storageAt(STORAGE_LAN),
    ],
    best: 'punched',
    onTheWay: ['relay-udp', 'relay-tls'],
  },
  {
    name: 'ipv6-only',
    about: 'three routed IPv6 networks, no IPv4 anywhere',
    nodes: [
      host('server', BACKBONE, '2001:db8:53::10/64', '2001:db8:53::1'),
      {
        name: 'core',
        ports: [
          { network: BACKBONE, address: '2001:db8:53::1/64' },
          { network: STORAGE_LAN, address: '2001:db8:1::1/64' },
          { network: CAMERA_LAN, address: '2001:db8:2::1/64' },
        ],
        forwards: { kind: 'routed' },
      },
      host('storage', STORAGE_LAN, '2001:db8:1::10/64', '2001:db8:1::1'),
      host('camera', CAMERA_LAN, '2001:db8:2::20/64', '2001:db8:2::1'),
    ],
    best: 'lan',
  },
]

/** Throws USAGE. */
export function topologyNamed(name: string): Topology {
  const found = TOPOLOGIES.find((topology) => topology.name === name)
  if (found !== undefined) return found
  const known = TOPOLOGIES.map((topology) => topology.name).join(', ')
  throw new HomewardError('USAGE', `there is no topology "${name}"`, { hint: `There are: ${known}.` })
}
