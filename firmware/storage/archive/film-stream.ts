/** A planned film, front to back, as bytes for whoever takes them: read when they are asked for, a few MiB at a time. */
import { join } from 'node:path'
import { HomewardError } from '../../wire/errors.ts'
import { checkSignal } from './disk-errors.ts'
import type { FilmParts, FilmPlan, PlannedFragment } from './film-plan.ts'
import { readAt } from './scan.ts'

/** Fragments that lie one behind the other are read together, as long as they fit. */
const READ_BYTES = 4 * 1024 * 1024

/** Throws DISK_FAILED when a file became shorter meanwhile, CANCELLED, and the errors of disks. Ends early without harm. */
export async function* filmBytes(
  { disk, root }: Pick<FilmParts, 'disk' | 'root'>,
  head: Uint8Array,
  { fragments }: Pick<FilmPlan, 'fragments'>,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  yield head
  let open: { readonly path: string; readonly file: Awaited<ReturnType<typeof disk.open>> } | undefined
  try {
    for (const group of groupsOf(fragments)) {
      checkSignal(signal, 'the export')
      if (open?.path !== group.path) {
        await open?.file.close()
        open = undefined
        open = { path: group.path, file: await disk.open(join(root, group.path), 'read') }
      }
      const bytes = await readAt(open.file, group.start, group.end - group.start)
      if (bytes.byteLength < group.end - group.start) {
        throw new HomewardError('DISK_FAILED', `${group.path} became shorter meanwhile`)
      }
      for (const { position, slice } of group.fragments) {
        yield bytes.subarray(position - group.start + slice.start, position - group.start + slice.end)
      }
    }
  } finally {
    await open?.file.close()
  }
}

interface Group {
  readonly path: string
  readonly start: number
  end: number
  readonly fragments: PlannedFragment[]
}

function* groupsOf(fragments: readonly PlannedFragment[]): Generator<Group> {
  let group: Group | undefined
  for (const fragment of fragments) {
    const { path, position, entry } = fragment
    const end = position + entry.fragmentBytes
    if (group?.path === path && position >= group.end && end - group.start <= READ_BYTES) {
      group.end = end
      group.fragments.push(fragment)
      continue
    }
    if (group !== undefined) yield group
    group = { path, start: position, end, fragments: [fragment] }
  }
  if (group !== undefined) yield group
}
