/** Sizes that both ends agree on. A length above its limit is refused before anything is allocated for it. */

/** A signalling frame or probe fits one UDP datagram on every path (IPv6 minimum MTU 1280, less headers). */
export const SIGNAL_FRAME_MAX_BYTES = 1200

/** A control message of a session. */
export const CONTROL_FRAME_MAX_BYTES = 64 * 1024

/** Media bytes carried by one piece of a record. */
export const PIECE_BYTES = 32 * 1024

/** One fragment: `moof` + `mdat`. */
export const FRAGMENT_MAX_BYTES = 16 * 1024 * 1024

/** One init segment: `ftyp` + `moov`. */
export const INIT_MAX_BYTES = 64 * 1024

/** A record as it travels: header and sealed payload. The payload holds an init segment, a fragment and small framing. */
export const RECORD_MAX_BYTES = FRAGMENT_MAX_BYTES + INIT_MAX_BYTES + 4096
