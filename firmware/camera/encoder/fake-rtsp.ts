/**
 * An RTSP camera for tests: serves the fake encoder's pictures as RTP in the control connection (RFC 2326 10.12,
 * RFC 6184 5.6), one client at a time. It can fall silent, hang up and ask for a password.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { readBoxes } from '../../media/boxes.ts'
import { u32At } from '../../media/fields.ts'
import { FakeFragments } from './fake-frames.ts'
import { FAKE_DEFAULTS } from './fake-options.ts'

export interface FakeRtspOptions {
  /** `user:password` that the client must show. */
  readonly credentials?: string
  /** Frames of one connection; then, by `afterwards`, the camera says nothing more or hangs up. */
  readonly frames: number
  readonly afterwards: 'silent' | 'hang-up'
}

export interface FakeRtsp {
  readonly port: number
  close(): Promise<void>
}

const FPS = 50
const GOP = 10
const RTP_CLOCK = 90_000
/** Any number but 0, which ffmpeg takes for no timestamp. */
const RTP_START = 1_000_000

export async function startFakeRtsp(options: FakeRtspOptions): Promise<FakeRtsp> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    serve(socket, options)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: portOf(server), close: () => closeAll(server, sockets) }
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

function closeAll(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  for (const socket of sockets) socket.destroy()
  return new Promise((resolve) => server.close(() => resolve()))
}

function serve(socket: Socket, options: FakeRtspOptions): void {
  const writer = new FakeFragments(
    { ...FAKE_DEFAULTS, rate: { frames: FPS, perSeconds: 1 }, gop: GOP, bitsPerSecond: 100_000 },
    new Uint8Array(8),
    new Uint8Array(1),
  )
  let text = ''
  let timer: NodeJS.Timeout | undefined
  socket.on('close', () => clearInterval(timer))
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1')
    for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
      const request = text.slice(0, end)
      text = text.slice(end + 4)
      const method = request.split(' ')[0]
      socket.write(answer(request, options, writer))
      if (method === 'PLAY') timer = play(socket, options, writer)
    }
  })
}

function answer(request: string, { credentials }: FakeRtspOptions, writer: FakeFragments): string {
  const [line = '', ...headers] = request.split('\r\n')
  const method = line.split(' ')[0] ?? ''
  const cseq = headers.find((header) => /^cseq:/i.test(header)) ?? 'CSeq: 0'
  const proof = `Authorization: Basic ${Buffer.from(credentials ?? '').toString('base64')}`
  if (credentials !== undefined && method !== 'OPTIONS' && !headers.includes(proof)) {
    return `RTSP/1.0 401 Unauthorized\r\n${cseq}\r\nWWW-Authenticate: Basic realm="camera"\r\n\r\n`
  }
  const head = `RTSP/1.0 200 OK\r\n${cseq}\r\nSession: 1\r\n`
  if (method === 'OPTIONS') return `${head}Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n`
  if (method === 'SETUP') return `${head}Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n`
  if (method !== 'DESCRIBE') return `${head}\r\n`
  const sets = [writer.sps, writer.pps].map((set) => Buffer.from(set).toString('base64'))
  const media = ['v=0', 'o=- 0 0 IN IP4 127.0.0.1', 's=fake', 't=0 0', 'm=video 0 RTP/AVP 96', 'a=rtpmap:96 H264/90000']
  const sdp = [
    ...media,
    `a=fmtp:96 packetization-mode=1;sprop-parameter-sets=${sets.join(',')}`,
    'a=control:track1',
    '',
  ]
  const body = sdp.join('\r\n')
  return `${head}Content-Type: application/sdp\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

function play(socket: Socket, options: FakeRtspOptions, writer: FakeFragments): NodeJS.Timeout {
  let frame = 0
  let sequence = 0
  let waiting: Uint8Array[][] = []
  const timer = setInterval(() => {
    if (frame === options.frames) {
      clearInterval(timer)
      if (options.afterwards === 'hang-up') socket.destroy()
      return
    }
    if (waiting.length === 0) waiting = accessUnits(writer.next(GOP))
    const units = waiting.shift() ?? []
    units.forEach((unit, index) => {
      socket.write(rtpPacket(unit, sequence, RTP_START + (frame * RTP_CLOCK) / FPS, index === units.length - 1))
      sequence += 1
    })
    frame += 1
  }, 1000 / FPS)
  return timer
}

/** The NAL units of each picture: all up to and with its slice. */
function accessUnits(fragment: Uint8Array): Uint8Array[][] {
  const data = readBoxes(fragment).find((box) => box.type === 'mdat')?.body ?? new Uint8Array(0)
  const pictures: Uint8Array[][] = []
  let units: Uint8Array[] = []
  for (let at = 0; at < data.byteLength; ) {
    const end = at + 4 + u32At(data, at)
    const unit = data.subarray(at + 4, end)
    units.push(unit)
    if (((unit[0] ?? 0) & 0x1f) !== 6) {
      pictures.push(units)
      units = []
    }
    at = end
  }
  return pictures
}

/** `$`, channel, length (RFC 2326 10.12), then the packet (RFC 3550 5.1) with one whole NAL unit. */
function rtpPacket(unit: Uint8Array, sequence: number, timestamp: number, last: boolean): Uint8Array {
  const head = Buffer.alloc(16)
  head.writeUInt8(0x24, 0)
  head.writeUInt16BE(12 + unit.byteLength, 2)
  head.writeUInt8(0x80, 4)
  head.writeUInt8(96 | (last ? 0x80 : 0), 5)
  head.writeUInt16BE(sequence & 0xffff, 6)
  head.writeUInt32BE(timestamp, 8)
  head.writeUInt32BE(0x48575250, 12)
  return Buffer.concat([head, unit])
}
