/** A line into words, as a shell does it for the simplest cases: spaces part, quotes keep together. */
import { HomewardError } from '../../wire/errors.ts'

/** Throws USAGE for a quote without its end. */
export function splitWords(line: string): string[] {
  const words: string[] = []
  let word: string | undefined
  let quote: string | undefined
  for (const character of line) {
    if (quote !== undefined) {
      if (character === quote) quote = undefined
      else word += character
    } else if (character === '"' || character === "'") {
      quote = character
      word ??= ''
    } else if (character === ' ' || character === '\t') {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = (word ?? '') + character
  }
  if (quote !== undefined) throw new HomewardError('USAGE', `a ${quote} has no end`)
  if (word !== undefined) words.push(word)
  return words
}
