/** What people call a codec of RFC 6381; the codec itself when there is no such name. Pure. */
export function codecName(codec: string): string {
  if (/^(hvc1|hev1)/.test(codec)) return 'H.265'
  if (/^avc/.test(codec)) return 'H.264'
  return codec
}
