/** The built page: static files with their compressed twins, and a plain word while it has not been built. */
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { HomewardError, isHomewardError } from '../../wire/errors.ts'

const INDEX = 'index.html'
/** vite names these by their content. */
const HASHED_FOLDER = '/assets/'
const YEAR_S = 365 * 24 * 3600

const NOT_BUILT = `The page has not been built: make build. The API is there: docs/api.md\n`

/** `admit` throws for whoever is not signed in: to strangers, no path below /api says whether it exists. */
export async function addPage(
  app: FastifyInstance,
  folder: string,
  admit: (request: FastifyRequest) => unknown,
): Promise<void> {
  const built = await access(join(folder, INDEX)).then(
    () => true,
    () => false,
  )
  if (built) {
    await app.register(fastifyStatic, {
      root: folder,
      index: false,
      preCompressed: true,
      dotfiles: 'deny',
      cacheControl: false,
      setHeaders: (response, path) => {
        const hashed = path.includes(HASHED_FOLDER)
        response.setHeader('cache-control', hashed ? `private, max-age=${YEAR_S}, immutable` : 'no-cache')
      },
    })
    // By its name: for a folder the plug-in looks for a compressed folder, and finds nothing.
    app.get('/', (_request, reply) => reply.sendFile(INDEX))
  } else app.get('/', (_request, reply) => reply.code(503).type('text/plain; charset=utf-8').send(NOT_BUILT))
  app.setNotFoundHandler(async (request) => {
    const path = request.url.split('?')[0] ?? ''
    if (/^\/+(api|metrics)(\/|$)/i.test(path)) {
      try {
        admit(request)
      } catch (error) {
        if (isHomewardError(error, 'SIGNED_OUT')) throw error
      }
    }
    throw new HomewardError('NOT_FOUND', 'there is nothing here', { hint: 'docs/api.md lists what there is.' })
  })
}
