/** Flags of a movie fragment's boxes (ISO/IEC 14496-12 §8.8). */

/** In a `tfhd`. */
export const BASE_DATA_OFFSET = 0x1
export const SAMPLE_DESCRIPTION = 0x2
export const DEFAULT_DURATION = 0x8
export const DEFAULT_SIZE = 0x10
export const DEFAULT_FLAGS = 0x20
export const BASE_IS_MOOF = 0x20000

/** In a `trun`. */
export const RUN_DATA_OFFSET = 0x1
export const RUN_FIRST_FLAGS = 0x4
export const RUN_DURATION = 0x100
export const RUN_SIZE = 0x200
export const RUN_FLAGS = 0x400
export const RUN_COMPOSITION = 0x800

/** In a sample's flags. */
export const IS_NON_SYNC = 0x10000
