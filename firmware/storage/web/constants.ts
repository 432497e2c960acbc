/** What page and server agree on, without the schemas: the page bundles this file. */

/** What a request that changes something must carry, with the value `1`; a page of another site cannot send it. */
export const CSRF_HEADER = 'x-homeward'
/** Of an answer with a still: when it was, in milliseconds since 1970. */
export const STILL_TIME_HEADER = 'x-homeward-at'
export const PASSWORD_MIN_CHARACTERS = 8
export const PASSWORD_MAX_CHARACTERS = 256
