import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Of what is alive. With 11 MB alive it becomes 55 MB, buffers on their way included, before all of it is marked anew. */
const GROWS_BY_PERCENT = 400

/**
 * For a storage device, through which footage passes in large buffers that V8 counts as heap: left to itself it would mark
 * all of the heap anew for each 10 MB of footage. A camera has too little memory for that: {@link keepHeapSmall}. V8 reads the flag at every
 * collection (`src/heap/memory-controller.cc`), so it may be set at run time.
 */
export function letHeapGrow(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWS_BY_PERCENT}`)
}

/** About one fragment is filmed in this time: no more than a few that are done with wait to be freed. */
const COLLECT_EVERY_MS = 1_000

/**
 * For a camera: frees the buffers of fragments that are safe soon after. V8 collects young objects when there are many, and
 * a camera makes few, each of which holds a fragment: dozens of them would pile up. About 1 ms each time. Returns the way
 * to stop.
 */
export function keepHeapSmall(): () => void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (options: { readonly type: 'minor' }) => void
  const timer = setInterval(() => collect({ type: 'minor' }), COLLECT_EVERY_MS)
  timer.unref()
  return () => clearInterval(timer)
}
