/** Arguments that no command takes, told as any other error: one line that says what was wrong and where to look. Pure. */
import type { Command, CommanderError } from 'commander'
import { HomewardError } from '../wire/errors.ts'

/** A group of commands was named without one of them: its help has been shown. */
export function helpInstead({ code }: CommanderError): boolean {
  return code === 'commander.help'
}

export function usageError(error: CommanderError, program: Command, args: readonly string[]): HomewardError {
  const command = commandOf(program, args)
  const path = pathOf(command)
  const see = `See: ${path} --help`
  // The line begins with the program's name as it is.
  const where = path === program.name() ? '' : `${path.slice(program.name().length + 1)}: `
  if (helpInstead(error)) {
    const names = command.commands.map((each) => each.name()).join(', ')
    return new HomewardError('USAGE', `${where}a command is missing, expected one of ${names}`, { hint: see })
  }
  const [first = '', suggestion] = error.message.replace(/^error: /, '').split('\n')
  const guess = suggestion === undefined ? '' : `${suggestion.replace(/^\((.*)\)$/, '$1')} `
  return new HomewardError('USAGE', `${where}${first.replaceAll(/'([^']*)'/g, '"$1"')}`, { hint: `${guess}${see}` })
}

/** The command that the first arguments name. */
function commandOf(program: Command, args: readonly string[]): Command {
  let command = program
  for (const arg of args) {
    const next = command.commands.find((each) => each.name() === arg)
    if (next === undefined) break
    command = next
  }
  return command
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`
}
