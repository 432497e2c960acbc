/** What a person may type while a lab stands: faults, programs, and how they are. */
import { errorLine, HomewardError, isHomewardError } from '../../firmware/wire/errors.ts'
import type { LabHome } from './lab-home.ts'

interface LabCommand {
  /** What stands behind the word. */
  readonly usage: string
  readonly about: string
  /** Its answer, when that is text. */
  run(home: LabHome, words: readonly string[]): unknown
}

const LAB_COMMANDS: Readonly<Record<string, LabCommand>> = {
  pull: {
    usage: 'NODE',
    about: "pull the cable of a host, or of a home's line",
    run: ({ lab }, [node = '']) => lab.faults.pull(node),
  },
  plug: { usage: 'NODE', about: 'plug it in again', run: ({ lab }, [node = '']) => lab.faults.plug(node) },
  renumber: {
    usage: 'NODE ADDRESS/BITS',
    about: 'another address on the same network',
    run: ({ lab }, [node = '', address = '']) => lab.faults.renumber(node, address),
  },
  flush: {
    usage: 'ROUTER',
    about: 'forget all mappings',
    run: ({ lab }, [router = '']) => lab.faults.flush(router),
  },
  timeouts: {
    usage: 'ROUTER UNANSWERED_S ANSWERED_S',
    about: 'how long a silent UDP mapping is remembered (30 and 120)',
    run: ({ lab }, [router = '', unanswered, answered]) =>
      lab.faults.setUdpTimeouts(router, numberIn(unanswered), numberIn(answered)),
  },
  'block-udp': {
    usage: 'NODE',
    about: 'no UDP through its cable',
    run: ({ lab }, [node = '']) => lab.faults.blockUdp(node),
  },
  'allow-udp': {
    usage: 'NODE',
    about: 'UDP passes again',
    run: ({ lab }, [node = '']) => lab.faults.allowUdp(node),
  },
  cut: {
    usage: 'NODE from|to',
    about: 'nothing passes in one direction',
    run: ({ lab }, [node = '', direction]) => lab.faults.cut(node, direction === 'to' ? 'to' : fromOnly(direction)),
  },
  mend: { usage: 'NODE', about: 'both directions again', run: ({ lab }, [node = '']) => lab.faults.mend(node) },
  lose: {
    usage: 'NODE PERCENT',
    about: 'packet loss in each direction; 0 ends it',
    run: ({ lab }, [node = '', percent]) => lab.faults.lose(node, numberIn(percent)),
  },
  kill: { usage: 'PROGRAM', about: 'server, storage or a camera', run: kill },
  start: { usage: 'PROGRAM', about: 'start it again', run: start },
  status: { usage: '', about: 'each camera: state, path, and why', run: status },
  help: { usage: '', about: 'this list', run: () => labHelp() },
}

/** One line that a person typed; resolves with what to show. Never rejects. */
export async function runLabCommand(home: LabHome, line: string): Promise<string> {
  const [word = '', ...words] = line.trim().split(/\s+/)
  if (word === '') return ''
  try {
    const command = Object.hasOwn(LAB_COMMANDS, word) ? LAB_COMMANDS[word] : undefined
    if (command === undefined) throw new HomewardError('USAGE', `there is no command "${word}"`, { hint: 'Try help.' })
    const answer = await command.run(home, words)
    return typeof answer === 'string' ? answer : 'done'
  } catch (error) {
    if (isHomewardError(error)) return errorLine(error)
    throw error
  }
}

export function labHelp(): string {
  const rows = Object.entries(LAB_COMMANDS).map(([word, { usage, about }]) => [`${word} ${usage}`, about] as const)
  const width = Math.max(...rows.map(([command]) => command.length)) + 2
  return rows.map(([command, about]) => `  ${command.padEnd(width)}${about}`).join('\n')
}

function numberIn(text: string | undefined): number {
  if (text !== undefined && /^\d+$/.test(text)) return Number(text)
  throw new HomewardError('USAGE', `"${text ?? ''}" is no whole number`)
}

function fromOnly(direction: string | undefined): 'from' {
  if (direction === 'from') return direction
  throw new HomewardError('USAGE', `"${direction ?? ''}" is no direction, expected from or to`)
}

async function kill(home: LabHome, [name = '']: readonly string[]): Promise<void> {
  await home.program(name).kill()
}

async function start(home: LabHome, [name = '']: readonly string[]): Promise<void> {
  if (home.program(name).running) throw new HomewardError('USAGE', `${name} is running`)
  if (name === 'server') await home.startServer()
  else if (name === 'storage') await home.startStorage()
  else await home.startCamera(name)
}

async function status(home: LabHome): Promise<string> {
  const lines = home.cameras.map(async (camera) => {
    if (!home.program(camera).running) return `${camera}: not running`
    const { state, path, seq, lastAttempt } = await home.status(camera)
    const counts = `captured ${seq?.captured ?? 0}, ACKed ${seq?.acked ?? 0}, lost ${seq?.lost ?? 0}`
    return `${camera}: ${state}, ${path ?? 'no path'}, ${counts}; ${lastAttempt?.why ?? 'nothing tried yet'}`
  })
  return (await Promise.all(lines)).join('\n')
}
