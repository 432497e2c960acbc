/** The OpenAPI document (3.1), made from the table of operations and the schemas that the server checks with. Pure. */
import * as api from './api.ts'
import { CSRF_HEADER } from './constants.ts'
import { type JsonSchema, jsonSchema } from './json-schema.ts'
import { OPERATIONS, type Operation } from './operations.ts'

export function openApi(version: string): JsonSchema {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const operation of OPERATIONS as readonly Operation[]) {
    const path = paths[operation.path] ?? {}
    path[operation.method.toLowerCase()] = describe(operation)
    paths[operation.path] = path
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Homeward storage device',
      version,
      description:
        'Times are milliseconds since 1970, UTC. Every key of an answer is there, null where there is nothing to say.',
    },
    paths,
    components: {
      securitySchemes: {
        session: { type: 'apiKey', in: 'cookie', name: '__Host-homeward', description: 'homeward over plain HTTP' },
        token: { type: 'http', scheme: 'bearer', description: 'or the query ?token=TOKEN, for players' },
      },
      schemas: { Error: jsonSchema(api.apiError) },
    },
  }
}

function describe({ method, path, access, summary, query, body, answer }: Operation) {
  const inPath = Array.from(path.matchAll(/\{(\w+)\}/g), ([, name = '']) => ({
    ...{ name, in: 'path', required: true },
    schema: { type: 'string' },
  }))
  const csrf = { name: CSRF_HEADER, in: 'header', required: true, schema: { type: 'string', enum: ['1'] } }
  return {
    operationId: `${method.toLowerCase()}${path.replaceAll(/[^a-zA-Z0-9]+(\w?)/g, (_, next: string) => next.toUpperCase())}`,
    summary,
    parameters: [
      ...inPath,
      ...(query === undefined ? [] : inQuery(jsonSchema(query))),
      ...(method === 'GET' ? [] : [csrf]),
    ],
    ...(body === undefined ? {} : { requestBody: { required: true, content: json(jsonSchema(body)) } }),
    responses: { ...answerOf(answer), default: { description: 'What was wrong', content: json(ERROR) } },
    security: access === 'anybody' ? [] : access === 'reader' ? [{ session: [] }, { token: [] }] : [{ session: [] }],
  }
}

const ERROR = { $ref: '#/components/schemas/Error' }

const json = (schema: JsonSchema) => ({ 'application/json': { schema } })

function inQuery(schema: JsonSchema) {
  const { properties, required } = schema as { properties: Record<string, JsonSchema>; required: readonly string[] }
  return Object.entries(properties).map(([name, of]) => ({
    ...{ name, in: 'query', required: required.includes(name), schema: of },
  }))
}

function answerOf(answer: Operation['answer']) {
  if (answer === undefined) return { 204: { description: 'Done' } }
  const content = typeof answer === 'string' ? { [answer]: {} } : json(jsonSchema(answer))
  return { 200: { description: 'The answer', content } }
}
