/** Decode times of what a playlist names: going on over file edges and gaps, or as they are in the files. */
export const TIMES = ['joined', 'stored'] as const
export type Times = (typeof TIMES)[number]
