/**
 * Where the built page is. Two folders below the project's, as every module that looks for files by its own place: so the
 * path holds in firmware/, in dist/, and in the bundle of an image, which is flat in dist/cli.
 */
import { fileURLToPath } from 'node:url'

export const PAGE_FOLDER = fileURLToPath(new URL('../../dist/storage/ui', import.meta.url))
