/** What a NAT does, for a person. */
const KINDS: Readonly<Record<string, string>> = {
  none: 'none',
  cone: 'keeps one address for all (cone)',
  symmetric: 'another port for each destination (symmetric)',
}

export function natText(nat: string | null | undefined): string {
  return KINDS[nat ?? ''] ?? 'not known'
}
