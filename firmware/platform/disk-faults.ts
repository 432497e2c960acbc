/** Faults of a fake disk: which calls they strike, and how. */

export type DiskOperation =
  | 'open'
  | 'makeDir'
  | 'list'
  | 'stat'
  | 'rename'
  | 'remove'
  | 'syncDir'
  | 'space'
  | 'read'
  | 'write'
  | 'truncate'
  | 'size'
  | 'datasync'
  | 'close'

export interface DiskCall {
  readonly operation: DiskOperation
  readonly path: string
  /** Reads and writes. */
  readonly position?: number
  /** Bytes asked for, or the new size. */
  readonly bytes?: number
  /** New name of a rename. */
  readonly to?: string
}

export interface Fault {
  /** Operations that it strikes. */
  readonly on: DiskOperation | readonly DiskOperation[]
  /** Only calls on paths that contain this. */
  readonly path?: string
  /** Node's code of the failure; without it the call goes through once a `hang` is released. */
  readonly code?: 'EIO' | 'ENOSPC' | 'EROFS' | 'ENOENT' | 'ENODEV' | 'EACCES'
  /** This many matching calls go well first. */
  readonly skip?: number
  /** Matching calls struck, 1 by default; Infinity for all. */
  readonly times?: number
  /** A write puts this many bytes before it fails. */
  readonly shortBytes?: number
  /** The call does not come back before `release`. */
  readonly hang?: boolean
  /** The call takes so long: it goes on, or fails, when this resolves. */
  readonly wait?: () => Promise<unknown>
}

export interface ArmedFault {
  /** Calls struck so far. */
  readonly hits: number
  /** Lets hanging calls go on, and strikes no further. */
  release(): void
}

interface Armed {
  readonly fault: Fault
  seen: number
  hits: number
  released: boolean
  readonly wakers: (() => void)[]
}

export class DiskFaults {
  readonly #armed: Armed[] = []

  arm(fault: Fault): ArmedFault {
    const armed: Armed = { fault, seen: 0, hits: 0, released: false, wakers: [] }
    this.#armed.push(armed)
    return {
      get hits() {
        return armed.hits
      },
      release: () => {
        armed.released = true
        for (const wake of armed.wakers.splice(0)) wake()
      },
    }
  }

  /** Waits while a hanging call is held; then the error the call fails with, or undefined. */
  async strike(call: DiskCall): Promise<Error | undefined> {
    const armed = this.#match(call)
    if (armed?.fault.hang) await new Promise<void>((resolve) => armed.wakers.push(resolve))
    else await armed?.fault.wait?.()
    await Promise.resolve()
    if (armed?.fault.code === undefined) return undefined
    const { code, shortBytes } = armed.fault
    return shortBytes === undefined
      ? failure(code, call.operation, call.path)
      : new ShortWrite(code, call.operation, call.path, shortBytes)
  }

  #match({ operation, path }: DiskCall): Armed | undefined {
    for (const armed of this.#armed) {
      const { on, skip = 0, times = 1 } = armed.fault
      if (armed.released || ![on].flat().includes(operation) || !path.includes(armed.fault.path ?? '')) continue
      if (armed.seen++ < skip || armed.hits >= times) continue
      armed.hits++
      return armed
    }
    return undefined
  }
}

export class ShortWrite extends Error {
  readonly bytes: number
  readonly code: string

  constructor(code: string, operation: string, path: string, bytes: number) {
    super(`${code}: ${operation} '${path}' stopped after ${bytes} bytes`)
    this.code = code
    this.bytes = bytes
  }
}

export function failure(code: string, operation: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${operation} '${path}'`), { code, syscall: operation, path })
}
