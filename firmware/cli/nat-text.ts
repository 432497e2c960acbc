/** What a NAT does, for a person. */
const KINDS: Readonly<Record<string, string>> = {
  none: 'no NAT',
  cone: 'NAT that keeps one address for all (cone)',
  symmetric: 'NAT with another port for each destination (symmetric)',
}

/** With a comma in front; empty when it is not known. */
export function natText(nat: string | null | undefined): string {
  const text = KINDS[nat ?? '']
  return text === undefined ? '' : `, ${text}`
}
