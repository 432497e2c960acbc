/** Real footage for tests of the page, through the archive's own door; and what players that are not ours make of it. */
import { spawn } from 'node:child_process'
import * as assert from 'uvu/assert'
import { encode, type SplitResult, type StreamOptions, split } from '../../media/sample-streams.ts'
import { BOOT, LOG2, SECOND } from '../archive/archive-fixture.ts'
import { nowUs, type WebHome } from './web-fixture.ts'

export const STREAM: StreamOptions = {
  ...{ codec: 'h264', seconds: 6, rate: 10, keyFrameSeconds: 1, bFrames: 2, sound: true },
}
const encoded = new Map<string, Uint8Array>()

/** Encoded once. */
export function sampleBytes(options: StreamOptions = STREAM): Uint8Array {
  const name = JSON.stringify(options)
  const bytes = encoded.get(name) ?? encode(options)
  encoded.set(name, bytes)
  return bytes
}

export const sampleStream = (options: StreamOptions = STREAM): SplitResult => split(sampleBytes(options))

export interface FilmOptions {
  readonly log?: string
  readonly seq?: number
  readonly run?: number
  readonly stream?: StreamOptions
  /** Before anything that this boot filmed. */
  readonly bootedUs?: number
  readonly boot?: string
}

const BOOTED_US = nowUs() - 3600 * SECOND

/** A run of real footage from `startUs` on. Answers with its end. */
export async function film(home: WebHome, startUs: number, options: FilmOptions = {}): Promise<number> {
  const { log = LOG2, seq = 0, run = 0, stream = STREAM, bootedUs = BOOTED_US, boot = BOOT } = options
  const { inits, fragments } = sampleStream(stream)
  const init = inits[0]?.bytes ?? new Uint8Array(0)
  let atUs = startUs
  const stored: Promise<void>[] = []
  for (const [index, { bytes: fragment, durationUs }] of fragments.entries()) {
    const times = { monoUs: atUs - bootedUs, wallUs: atUs, durationUs, runStart: index === 0 }
    stored.push(home.store({ log, run, boot, seq: seq + index, ...times }, { init, fragment }))
    atUs += durationUs
  }
  await Promise.all(stored)
  return atUs
}

export interface Ran {
  readonly status: number | null
  readonly out: string
  readonly err: string
}

export async function runPlayer(command: string, args: readonly string[]): Promise<Ran> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const [out, err] = [child.stdout, child.stderr].map((stream) => {
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    return chunks
  })
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { status, out: Buffer.concat(out ?? []).toString(), err: Buffer.concat(err ?? []).toString() }
}

/** MD5 of each decoded picture, in order. */
export async function pictures(source: string): Promise<string[]> {
  const { out, err, status } = await runPlayer('ffmpeg', [
    ...['-v', 'error', '-protocol_whitelist', 'http,tcp,file', '-i', source],
    ...['-map', '0:v', '-fps_mode', 'passthrough', '-f', 'framemd5', '-'],
  ])
  assert.equal([status, err.replaceAll(/.*(Non-monotonous|DTS|Opening).*\n/g, '')], [0, ''])
  return out
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(',').at(-1)?.trim() ?? '')
}

export const spanOf = (fromUs: number, toUs: number) => `from=${fromUs / 1000}&to=${toUs / 1000}`
