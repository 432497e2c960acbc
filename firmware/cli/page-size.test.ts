/** What a browser loads of the page before anything is seen: it is to be there at once, also from a small board. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const BUILT = fileURLToPath(new URL('../../dist/storage/ui', import.meta.url))
/** The player is part of it. */
const COMPRESSED_MAX_BYTES = 200_000

test('the whole page is at most 200 KB compressed, and everything in it has its compressed twins', async () => {
  const files = (await readdir(BUILT, { recursive: true })).filter((path) => /\.(html|js|css|svg)$/.test(path))
  assert.ok(files.length >= 4, `${files.length} files in dist/storage/ui: make build`)
  let bytes = 0
  for (const path of files) {
    bytes += (await stat(join(BUILT, `${path}.gz`))).size
    await stat(join(BUILT, `${path}.br`))
  }
  assert.ok(bytes <= COMPRESSED_MAX_BYTES, `${bytes} bytes, expected at most ${COMPRESSED_MAX_BYTES}`)
})

test('nothing is loaded from elsewhere, and no script or style is in the document itself', async () => {
  const html = await readFile(join(BUILT, 'index.html'), 'utf8')
  assert.not.match(html, /(src|href)="(https?:)?\/\//)
  assert.not.match(html, /<style|<script(?![^>]*src=)/)
})

test.run()
