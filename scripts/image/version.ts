/** What an image calls itself, and the one time that stands in all its files. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SOURCE } from './places.ts'
import { runTool } from './tool.ts'

export interface Version {
  /** Grows with every commit, for updates are refused when they are older: 0.1.0.COMMITS */
  readonly text: string
  readonly commit: string
  /** SOURCE_DATE_EPOCH, else the time of the last commit, in seconds. */
  readonly epochS: number
}

export function sourceVersion(environment: NodeJS.ProcessEnv = process.env): Version {
  const git = (...args: string[]) => runTool('git', args, { cwd: SOURCE }).trim()
  const { version } = JSON.parse(readFileSync(join(SOURCE, 'package.json'), 'utf8')) as { version: string }
  const epoch = Number(environment.SOURCE_DATE_EPOCH ?? git('log', '-1', '--format=%ct'))
  const text = environment.HOMEWARD_VERSION ?? `${version}.${git('rev-list', '--count', 'HEAD')}`
  return { text, commit: git('rev-parse', '--short=12', 'HEAD'), epochS: epoch }
}
