/** Builds the page into dist/storage/ui: names by content, and a compressed twin of each file for the server to hand out. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, gzip } from 'node:zlib'
import { defineConfig, type Plugin } from 'vite'

const ROOT = fileURLToPath(new URL('.', import.meta.url))
const OUT = fileURLToPath(new URL('../../../dist/storage/ui', import.meta.url))
const COMPRESSED = /\.(html|js|css|svg)$/

const twins: Plugin = {
  name: 'compressed-twins',
  apply: 'build',
  async closeBundle() {
    for (const path of await readdir(OUT, { recursive: true })) {
      if (!COMPRESSED.test(path)) continue
      const bytes = await readFile(join(OUT, path))
      await writeFile(join(OUT, `${path}.br`), await promisify(brotliCompress)(bytes))
      await writeFile(join(OUT, `${path}.gz`), await promisify(gzip)(bytes, { level: 9 }))
    }
  },
}

export default defineConfig({
  root: ROOT,
  base: './',
  logLevel: 'warn',
  plugins: [twins],
  // The content security policy of the server lets no data: script or style in.
  build: { outDir: OUT, emptyOutDir: true, target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false } },
})
