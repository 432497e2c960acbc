import { setFlagsFromString } from 'node:v8'

/** Of what is alive. With 11 MB alive it becomes 55 MB, buffers on their way included, before all of it is marked anew. */
const GROWS_BY_PERCENT = 400

/**
 * For a storage device, through which footage passes in large buffers that V8 counts as heap: left to itself it would mark
 * all of the heap anew for each 10 MB of footage. A camera's memory is too small for that. V8 reads the flag at every collection (`src/heap/memory-controller.cc`), so it
 * may be set at run time.
 */
export function letHeapGrow(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWS_BY_PERCENT}`)
}
