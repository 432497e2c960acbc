/** Answers of the storage agent as text for a person. */

import { shortId } from '../link/uid.ts'
import { fromHex } from '../wire/bytes.ts'
import { errorLine, HomewardError } from '../wire/errors.ts'
import { natText } from './nat-text.ts'
import { formatBytes, formatDuration } from './output.ts'

interface StorageAnswer {
  readonly uid: string
  readonly listen: { readonly host: string; readonly port: number }
  readonly root: string
  readonly freeBytes: number | null
  readonly p2p: {
    readonly state: string
    readonly nat?: string | null
    readonly problem?: { readonly message: string; readonly hint?: string }
  }
  readonly totals: { readonly fragments: number; readonly bytes: number }
  readonly alarm: { readonly message: string; readonly hint?: string } | null
  readonly retention?: RetentionAnswer | null
  readonly scrub?: ScrubAnswer | null
}

interface ScrubAnswer {
  readonly running: boolean
  readonly damaged: number
  readonly done: number
  readonly lastFullAt: string | null
  readonly waiting: number
  readonly healed: number
  readonly lost: number
}

/** How far all footage is checked, and what was damaged. */
function describeScrub({ running, damaged, done, lastFullAt, waiting, healed, lost }: ScrubAnswer): string {
  const last =
    lastFullAt === null ? 'no full pass yet' : `last full pass ${lastFullAt.slice(0, 16).replace('T', ' ')} UTC`
  const found = [
    ...(damaged > 0 ? [`${damaged} found damaged`] : []),
    ...(waiting > 0 ? [`${waiting} wait for their camera`] : []),
    ...(healed > 0 ? [`${healed} healed since the start`] : []),
    ...(lost > 0 ? [`${lost} lost since the start`] : []),
  ]
  return [...(running || done < 1 ? [`${Math.floor(done * 100)} % of this pass`] : []), last, ...found].join(', ')
}

interface RetentionAnswer {
  readonly freeBytes: number
  readonly totalBytes: number
  readonly minFreeBytes: number
  readonly bytesPerDay: number
  readonly fullInDays: number | null
  readonly ageHeld: string | null
  readonly trouble: string | null
  readonly cameras: readonly {
    readonly name: string
    readonly bytes: number
    readonly bytesPerDay: number | null
    readonly keepsDays: number | null
    readonly limitedBy: 'days' | 'bytes' | 'disk' | null
    readonly locks: number
  }[]
}

const LIMITS = { days: 'as set in days', bytes: 'as set in bytes', disk: 'as the disk has room' } as const

/** Room, and for how long. */
function describeRetention({ cameras, ...all }: RetentionAnswer): string[] {
  const { freeBytes, totalBytes, minFreeBytes, bytesPerDay, fullInDays, ageHeld, trouble } = all
  const full =
    fullInDays === null
      ? 'the limits of the cameras are met before the disk is full'
      : fullInDays === 0
        ? 'the oldest footage goes for the newest'
        : `full in ${daysText(fullInDays)}, then the oldest footage goes`
  const rows = cameras
    .filter((camera) => camera.bytes > 0)
    .map(({ name, bytes, bytesPerDay: rate, keepsDays, limitedBy, locks }) => [
      name,
      formatBytes(bytes),
      rate === null ? 'too little yet to tell' : `${formatBytes(rate)} a day`,
      keepsDays === null || limitedBy === null ? '' : `keeps ${daysText(keepsDays)}, ${LIMITS[limitedBy]}`,
      locks === 0 ? '' : `${locks} locked`,
    ])
  return [
    `Room      ${formatBytes(freeBytes)} free of ${formatBytes(totalBytes)}, ${formatBytes(minFreeBytes)} of it left alone`,
    ...(bytesPerDay > 0 ? [`Forecast  ${formatBytes(bytesPerDay)} a day; ${full}`] : []),
    ...table(rows).map((row) => `          ${row}`),
    ...(trouble === null ? [] : [`Trouble   ${trouble}`]),
    ...(ageHeld === null ? [] : [`Note      ${ageHeld}`]),
  ]
}

function daysText(days: number): string {
  return days >= 10 ? `${Math.floor(days)} d` : formatDuration(days * 86_400_000)
}

export function describeStorage(answer: unknown): string {
  const { uid, listen, root, freeBytes, p2p, totals, alarm, retention, scrub } = answer as StorageAnswer
  const free = freeBytes === null ? '' : `, ${formatBytes(freeBytes)} free`
  return [
    `Storage   ${uid}`,
    ...(alarm === null ? [] : [`Alarm     nothing is acknowledged, the cameras keep it: ${errorLine(alarm)}`]),
    `Listens   on UDP ${listen.host}, port ${listen.port}`,
    `Disk      ${root}: ${totals.fragments} fragments, ${formatBytes(totals.bytes)}${free}`,
    ...(retention === undefined || retention === null ? [] : describeRetention(retention)),
    ...(scrub === undefined || scrub === null ? [] : [`Checked   ${describeScrub(scrub)}`]),
    `P2P       ${p2p.problem === undefined ? `${SERVER_STATES[p2p.state] ?? p2p.state}${natClause(p2p.nat)}` : errorLine(p2p.problem)}`,
  ].join('\n')
}

function natClause(nat: string | null | undefined): string {
  return nat === undefined || nat === null || nat === 'unknown' ? '' : `, NAT: ${natText(nat)}`
}

const SERVER_STATES: Readonly<Record<string, string>> = {
  none: 'no server is set: cameras in this network only',
  contacting: 'the server is being asked',
  registered: 'registered',
}

interface CameraAnswer {
  readonly name: string
  readonly uid: string
  readonly folder: string
  readonly forgottenAt: string | null
  readonly path?: string
  readonly why?: string
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
  const detours = cameras.flatMap(({ name, path, why }) =>
    path?.startsWith('relay') === true && why !== undefined ? [`${name}: ${why}.`] : [],
  )
  const notes = refusals.map(
    ({ name, camera, why }) =>
      `Refused: ${name || 'a camera'} (${camera.slice(0, 7)}), its setup code ${why === 'TOKEN_USED' ? 'was used by another camera' : 'had expired'}.`,
  )
  return [...table(rows), ...detours, ...notes].join('\n')
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
  readonly accounts: readonly {
    readonly camera: string
    readonly counts: Readonly<Record<string, number>>
    readonly outages: readonly { readonly reason: string; readonly fromUs: number; readonly toUs: number }[]
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
    ...report.accounts.flatMap(accountText),
    isSound(report) ? 'All of it is sound.' : 'Not all of it is sound.',
  ].join('\n')
}

/** Every number is in one of these. */
function accountText({ camera, counts, outages }: VerifyAnswer['accounts'][number]): string[] {
  const short = shortId(fromHex(camera))
  const states = Object.entries(counts).map(([state, count]) => `${count} ${state}`)
  const spans = outages.map(
    ({ reason, fromUs, toUs }) =>
      `${reason === 'camera-off' ? 'Camera off' : 'No picture'}: camera ${short} ${isoText(fromUs)} to ${isoText(toUs)}`,
  )
  return [...spans, `Camera ${short}: ${states.join(', ') || 'nothing'}`]
}

const isoText = (us: number) => new Date(us / 1000).toISOString()

export function describeReindex(answer: unknown): string {
  const { files, fragments, bytes, journalEntries, journalDamaged, problems } = answer as {
    files: number
    fragments: number
    bytes: number
    journalEntries: number
    journalDamaged: number
    problems: readonly { path: string; why: string }[]
  }
  const damaged = journalDamaged === 0 ? '' : `, ${journalDamaged} lines of the journal could not be read`
  return [
    `The index is rebuilt: ${fragments} fragments in ${files} files, ${formatBytes(bytes)}, ${journalEntries} journal entries${damaged}.`,
    ...problems.map(({ path, why }) => `Left out: ${path}: ${why}`),
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
  const parts = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:\d\d)?)?$/.exec(text)
  const [, date = '', time = '00:00', zone = 'Z'] = parts ?? []
  const day = new Date(`${date}T00:00Z`)
  const ms = Date.parse(`${date}T${time}${zone}`)
  // A day that its month does not have would be taken for one of the next month.
  const exists = !Number.isNaN(day.getTime()) && day.toISOString().startsWith(date)
  if (parts !== null && exists && !Number.isNaN(ms)) return ms * 1000
  throw new HomewardError('USAGE', `${flag}: "${text}" is not a time, expected such as 2026-05-01T12:00:00Z`)
}
