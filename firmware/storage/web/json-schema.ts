/** JSON Schema (2020-12, as OpenAPI 3.1 takes it) of the valibot schemas that the API is made of. Pure. */
import type * as v from 'valibot'
import { HomewardError } from '../../wire/errors.ts'

export type JsonSchema = Readonly<Record<string, unknown>>

/** Only what `api.ts` uses is known: another kind of schema is a fault of the program, and a test meets it. */
interface Node {
  readonly type: string
  readonly entries?: Readonly<Record<string, Node>>
  readonly item?: Node
  readonly wrapped?: Node
  readonly options?: readonly unknown[]
  readonly pipe?: readonly (Node & {
    readonly kind: string
    readonly requirement?: unknown
    readonly description?: string
  })[]
  readonly default?: unknown
}

export function jsonSchema(schema: v.GenericSchema): JsonSchema {
  return schemaOf(schema as unknown as Node)
}

/** Names of the keys that may be left out are those of optional entries. */
function schemaOf(node: Node): JsonSchema {
  if (node.pipe !== undefined) {
    const [first, ...actions] = node.pipe
    if (first === undefined) throw unknownKind('pipe')
    const base = schemaOf({ ...first, pipe: undefined } as unknown as Node)
    return Object.assign({}, base, ...actions.map(constraint)) as JsonSchema
  }
  switch (node.type) {
    case 'string':
      return { type: 'string' }
    case 'number':
      return { type: 'number' }
    case 'boolean':
      return { type: 'boolean' }
    case 'picklist':
      return { type: 'string', enum: node.options ?? [] }
    case 'array':
      return { type: 'array', items: schemaOf(given(node.item)) }
    case 'nullable':
      return { anyOf: [schemaOf(given(node.wrapped)), { type: 'null' }] }
    case 'optional':
      return { ...schemaOf(given(node.wrapped)), ...(node.default === undefined ? {} : { default: node.default }) }
    case 'object':
    case 'strict_object': {
      const entries = Object.entries(node.entries ?? {})
      return {
        type: 'object',
        properties: Object.fromEntries(entries.map(([name, entry]) => [name, schemaOf(entry)])),
        required: entries.filter(([, entry]) => entry.type !== 'optional').map(([name]) => name),
        ...(node.type === 'strict_object' ? { additionalProperties: false } : {}),
      }
    }
    default:
      throw unknownKind(node.type)
  }
}

function constraint({
  type,
  requirement,
  description,
}: {
  type: string
  requirement?: unknown
  description?: string
}): JsonSchema {
  switch (type) {
    case 'description':
      return { description }
    case 'integer':
      return { type: 'integer' }
    case 'min_value':
      return { minimum: requirement }
    case 'max_value':
      return { maximum: requirement }
    case 'min_length':
      return { minLength: requirement }
    case 'max_length':
      return { maxLength: requirement }
    case 'regex':
      return { pattern: requirement instanceof RegExp ? requirement.source : String(requirement) }
    case 'trim':
      return {}
    default:
      throw unknownKind(type)
  }
}

function given(node: Node | undefined): Node {
  if (node === undefined) throw unknownKind('nothing')
  return node
}

function unknownKind(type: string): HomewardError {
  return new HomewardError('INTERNAL', `no JSON Schema is known for ${type}`)
}
