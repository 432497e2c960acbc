/**
 * The other end of the bench of a hammered page: strangers who connect and drip, strangers who ask as fast as they get
 * answers, and a reader with a token who does the same. Whoever is let go comes again.
 */
import { createConnection, type Socket } from 'node:net'
import { setPriority } from 'node:os'
import { obey } from './child.ts'

const STRANGERS = 16
const READERS = 8
const DRIP_MS = 500
/** New connections at a time: a kernel drops more than a port's queue holds. */
const BATCH = 200
const BATCH_EVERY_MS = 20
const NICE = 10

interface Target {
  readonly port: number
  readonly token: string
  readonly clients: number
}

const counts = { opened: 0, refused: 0, requests: 0, tooMany: 0 }
const stops: (() => void)[] = []

export const floodOrders = { begin, end }

function begin({ port, token, clients }: Target): void {
  setPriority(NICE)
  drip(port, clients)
  for (let one = 0; one < STRANGERS; one += 1) ask(port, '/api/v1/cameras', undefined)
  for (let one = 0; one < READERS; one += 1) ask(port, '/api/v1/cameras', token)
}

function end(_: object): typeof counts {
  for (const stop of stops.splice(0)) stop()
  return counts
}

/** Some say nothing at all, some begin, some go on byte by byte. */
function drip(port: number, clients: number): void {
  const sockets = new Set<Socket>()
  const more = () => {
    for (let left = Math.min(BATCH, clients - sockets.size); left > 0; left -= 1) {
      const socket = createConnection(port, '127.0.0.1')
      counts.opened += 1
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => {
        counts.refused += 1
        sockets.delete(socket)
      })
      if (counts.opened % 3 > 0) socket.write('GET /api/v1/status HTTP/1.1\r\nHost: nas\r\nX: ')
    }
  }
  const opening = setInterval(more, BATCH_EVERY_MS)
  const dripping = setInterval(() => {
    for (const socket of sockets) if (socket.writable) socket.write('x')
  }, DRIP_MS)
  stops.push(() => {
    clearInterval(opening)
    clearInterval(dripping)
    for (const socket of sockets) socket.destroy()
  })
}

/** One connection, one request after the other. */
function ask(port: number, path: string, token: string | undefined): void {
  const authorization = token === undefined ? '' : `Authorization: Bearer ${token}\r\n`
  const request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${authorization}\r\n`
  let stopped = false
  let socket: Socket | undefined
  let again: NodeJS.Timeout | undefined
  const connect = () => {
    counts.opened += 1
    let left = -1
    let head = ''
    socket = createConnection(port, '127.0.0.1', () => socket?.write(request))
    socket.on('error', () => undefined)
    socket.on('data', (part) => {
      let at = 0
      if (left < 0) {
        head += part.toString('latin1')
        const ends = head.indexOf('\r\n\r\n')
        if (ends < 0) return
        counts.requests += 1
        if (head.startsWith('HTTP/1.1 429')) counts.tooMany += 1
        left = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
        at = part.byteLength - (head.length - ends - 4)
        head = ''
      }
      left -= part.byteLength - at
      if (left > 0) return
      left = -1
      socket?.write(request)
    })
    socket.once('close', () => {
      counts.refused += 1
      if (!stopped) again = setTimeout(connect, 1)
    })
  }
  connect()
  stops.push(() => {
    stopped = true
    clearTimeout(again)
    socket?.destroy()
  })
}

obey(floodOrders)
