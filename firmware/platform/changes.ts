/** Lets what is reported again and again through once: when it is new, or different from the last time. */
export class Changes {
  #last: string | undefined

  /** True when `key` is not what it was at the last call; `undefined` stands for "nothing is wrong". */
  differs(key: string | undefined): boolean {
    const different = key !== this.#last
    this.#last = key
    return different
  }
}

/** A key for a text whose numbers change each time it is told. */
export function withoutNumbers(text: string): string {
  return text.replaceAll(/\d+/g, '#')
}
