/** Answers of the storage agent as text for a person. */
import { HomewardError } from '../wire/errors.ts'
import { formatBytes, formatDuration } from './output.ts'

interface CameraAnswer {
  readonly name: string
  readonly uid: string
  readonly folder: string
  readonly forgottenAt: string | null
  readonly path?: string
  readonly bytes: number
  readonly fragments: number
  readonly lastAt: string | null
}

export function describeCameras(answer: unknown): string {
  const { cameras, refusals } = answer as {
    cameras: readonly CameraAnswer[]
    refusals: readonly { name: string; camera: string; why: string }[]
  }
  if (cameras.length === 0 && refusals.length === 0) {
    return 'No camera is paired yet: `homeward storage pair` makes a setup code.'
  }
  const rows = cameras.map((camera) => {
    const state = camera.forgottenAt !== null ? 'forgotten' : (camera.path ?? 'not connected')
    const last = camera.lastAt === null ? 'nothing stored yet' : `last footage ${camera.lastAt}`
    return [camera.name, camera.uid.slice(0, 7), state, formatBytes(camera.bytes), last]
  })
  const notes = refusals.map(
    ({ name, camera, why }) =>
      `Refused: ${name || 'a camera'} (${camera.slice(0, 7)}), its setup code ${why === 'TOKEN_USED' ? 'was used by another camera' : 'had expired'}.`,
  )
  return [...table(rows), ...notes].join('\n')
}

/** Columns as wide as their widest cell. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_cell, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

interface Finding {
  readonly log: string
  readonly first: number
  readonly last: number
  readonly path: string
  readonly why: string
}

export interface VerifyAnswer {
  readonly deep: boolean
  readonly files: number
  readonly fragments: number
  readonly bytes: number
  readonly damaged: readonly Finding[]
  readonly missing: readonly Finding[]
  readonly unindexed: readonly Finding[]
  readonly gaps: readonly {
    readonly log: string
    readonly first: number
    readonly last: number
    readonly reason: string
  }[]
}

export function isSound({ damaged, missing, unindexed }: VerifyAnswer): boolean {
  return damaged.length + missing.length + unindexed.length === 0
}

export function describeVerify(report: VerifyAnswer): string {
  const { deep, files, fragments, bytes } = report
  const checked = deep ? 'every checksum compared' : 'structure and sizes compared; --deep compares checksums too'
  const found = (word: string, findings: readonly Finding[]) =>
    findings.map(
      ({ path, log, first, last, why }) => `${word}: ${path || `log ${log}`} ${rangeText(first, last)}: ${why}`,
    )
  return [
    `${fragments} fragments in ${files} files, ${formatBytes(bytes)}; ${checked}.`,
    ...found('Damaged', report.damaged),
    ...found('Missing', report.missing),
    ...found('Not in the index', report.unindexed),
    ...report.gaps.map(({ log, first, last, reason }) => `Gap: log ${log} ${rangeText(first, last)}: ${reason}`),
    isSound(report) ? 'All of it is sound.' : 'Not all of it is sound.',
  ].join('\n')
}

function rangeText(first: number, last: number): string {
  return first === last ? `fragment ${first}` : `fragments ${first} to ${last}`
}

export function describeExport(answer: unknown, out: string): string {
  const { bytes, fragments, durationUs, gaps } = answer as {
    bytes: number
    fragments: number
    durationUs: number
    gaps: readonly unknown[]
  }
  const holes = gaps.length === 0 ? '' : `, ${gaps.length} ${gaps.length === 1 ? 'gap' : 'gaps'} left out`
  return `${out}: ${formatDuration(durationUs / 1000)}, ${fragments} fragments, ${formatBytes(bytes)}${holes}`
}

/** A moment with its zone, or a date and time that is taken as UTC; in µs. */
export function parseMoment(flag: string, text: string): number {
  const full = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/.test(text)
  const zoned = /(Z|[+-]\d\d:\d\d)$/.test(text) || !/[T ]/.test(text) ? text : `${text}Z`
  const ms = full ? Date.parse(zoned.replace(' ', 'T')) : Number.NaN
  if (!Number.isNaN(ms)) return ms * 1000
  throw new HomewardError('USAGE', `${flag}: "${text}" is not a time, expected such as 2026-05-01T12:00:00Z`)
}
