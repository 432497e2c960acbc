export interface ExportOptions {
  readonly camera: Uint8Array
}
export interface ExportResult {
  readonly path: string
}
export async function exportSpan(_p: unknown, _o: ExportOptions): Promise<ExportResult> {
  throw new Error('x')
}
