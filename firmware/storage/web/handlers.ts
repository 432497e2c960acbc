/** The type of what answers each operation: one that is missing, or answers another shape, does not compile. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type * as v from 'valibot'
import type { Session } from './accounts.ts'
import type { RawAnswer } from './answers.ts'
import type { OPERATIONS, Operation } from './operations.ts'

type Known = (typeof OPERATIONS)[number]
type KeyOf<T> = T extends { method: infer M extends string; path: infer P extends string } ? `${M} ${P}` : never
export type OperationKey = KeyOf<Known>
type Select<T, K> = T extends Known ? (KeyOf<T> extends K ? T : never) : never
type ByKey<K extends OperationKey> = Select<Known, K>

type Input<T, Name extends string> = T extends { readonly [N in Name]: infer S extends v.GenericSchema }
  ? v.InferOutput<S>
  : undefined
type Output<T> = T extends { readonly answer: infer A }
  ? A extends v.GenericSchema
    ? v.InferOutput<A>
    : A extends string
      ? RawAnswer
      : never
  : undefined

/** Who asks. */
export type Caller =
  | { readonly kind: 'owner'; readonly hash: string; readonly session: Session }
  | { readonly kind: 'reader'; readonly hash: string }

export interface Call<K extends OperationKey = OperationKey> {
  readonly params: Readonly<Record<string, string>>
  readonly query: Input<ByKey<K>, 'query'>
  readonly body: Input<ByKey<K>, 'body'>
  /** Undefined for whoever is not signed in, where that is allowed. */
  readonly caller: Caller | undefined
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** Aborts when the one who asked has gone. */
  readonly signal: AbortSignal
}

export type Handlers = {
  readonly [K in OperationKey]: (call: Call<K>) => Output<ByKey<K>> | Promise<Output<ByKey<K>>>
}

export function keyOf({ method, path }: Pick<Operation, 'method' | 'path'>): OperationKey {
  return `${method} ${path}` as OperationKey
}
