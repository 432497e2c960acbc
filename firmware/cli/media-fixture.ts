/** What ffprobe and ffmpeg say of a file, for tests; and what the encoder really delivered, tapped before anybody read it. */
import { execFile } from 'node:child_process'
import { chmod, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const OUTPUT_MAX_BYTES = 64 * 1024 * 1024

export interface ProgramAnswer {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end, whatever its exit status. */
export function runProgram(program: string, args: readonly string[]): Promise<ProgramAnswer> {
  return new Promise((resolve) => {
    const options = { encoding: 'utf8', maxBuffer: OUTPUT_MAX_BYTES } as const
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      resolve({ status: child.exitCode ?? (error === null ? 0 : -1), stdout, stderr })
    })
  })
}

export interface ProbedStream {
  readonly type: string
  /** Decoded. */
  readonly frames: number
  /** Decode times in the order of the file. */
  readonly dts: readonly number[]
  /** A hash of each packet's bytes, in the same order. */
  readonly hashes: readonly string[]
}

export interface ProbedFile {
  readonly streams: readonly ProbedStream[]
  readonly startTime: number
  readonly complaints: string
}

interface ProbeAnswer {
  readonly streams: readonly { readonly index: number; readonly codec_type: string; readonly nb_read_frames: string }[]
  readonly packets: readonly { readonly stream_index: number; readonly dts: number; readonly data_hash: string }[]
  readonly format: { readonly start_time: string }
}

/** Every frame decoded and every packet read. */
export async function probeFile(path: string): Promise<ProbedFile> {
  const { status, stdout, stderr } = await runProgram('ffprobe', [
    ...['-v', 'warning', '-count_frames', '-show_data_hash', 'md5', '-of', 'json'],
    ...['-show_entries', 'stream=index,codec_type,nb_read_frames:packet=stream_index,dts,data_hash:format=start_time'],
    path,
  ])
  if (status !== 0) throw new Error(`ffprobe ${path}: ${stderr}`)
  const { streams, packets, format } = JSON.parse(stdout) as ProbeAnswer
  return {
    streams: streams.map(({ index, codec_type: type, nb_read_frames: frames }) => {
      const own = packets.filter((packet) => packet.stream_index === index)
      const hashes = own.map(({ data_hash: hash }) => hash)
      return { type, frames: Number(frames), dts: own.map(({ dts }) => dts), hashes }
    }),
    startTime: Number(format.start_time),
    complaints: stderr,
  }
}

/** What a player that forgives nothing complains about; empty when the file plays. */
export async function playErrors(path: string): Promise<string> {
  const { status, stderr } = await runProgram('ffmpeg', [
    ...['-nostdin', '-v', 'error', '-xerror', '-i', path, '-f', 'null', '-'],
  ])
  return status === 0 ? stderr : `exit status ${status}: ${stderr}`
}

/**
 * An ffmpeg for HOMEWARD_FFMPEG that also writes everything it delivers to files of its own. It takes the place of the
 * shell, so that signals reach it.
 */
export class EncoderTap {
  readonly program: string
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = folder
    this.program = join(folder, 'ffmpeg-tapped')
  }

  /** In an empty folder. */
  static async create(folder: string): Promise<EncoderTap> {
    const tap = new EncoderTap(folder)
    await writeFile(tap.program, `#!/bin/bash\nexec ffmpeg "$@" > >(exec tee "${folder}/$$.mp4")\n`)
    await chmod(tap.program, 0o755)
    return tap
  }

  /** Of the runs that delivered something: each is one stream as ffmpeg wrote it. */
  async runs(): Promise<string[]> {
    const paths = (await readdir(this.#folder))
      .filter((name) => name.endsWith('.mp4'))
      .map((name) => join(this.#folder, name))
    const runs: string[] = []
    for (const path of paths) if ((await readFile(path)).byteLength > 0) runs.push(path)
    return runs.sort()
  }
}
