import { createRequire } from 'node:module'

/** From the source and from dist alike. */
export const { version: VERSION } = createRequire(import.meta.url)('../../package.json') as { version: string }
