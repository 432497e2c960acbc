import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('source-alone.ts', import.meta.url))

/** The fake source alone, as long as its footage lasts and this process runs. */
export function startSource(spec: string): ChildProcess {
  const args = [...process.execArgv, PROGRAM, spec]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const end = () => child.kill()
  process.once('exit', end)
  child.once('exit', () => process.off('exit', end))
  return child
}

/** Processor time of all its footage, in ms. */
export async function sourceCpuMs(spec: string): Promise<number> {
  const child = startSource(spec)
  let text = ''
  child.stdout?.on('data', (chunk) => {
    text += String(chunk)
  })
  await new Promise((resolve) => child.once('close', resolve))
  return Number(text)
}
