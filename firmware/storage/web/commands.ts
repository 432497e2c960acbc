/** What commands may ask of the page: a claim code, a new password. */
import { networkInterfaces } from 'node:os'
import * as v from 'valibot'
import type { ControlHandler } from '../../platform/control.ts'
import { HomewardError } from '../../wire/errors.ts'
import type { StorageAgent } from '../agent.ts'
import { passwordSchema } from './api.ts'
import type { Web } from './web.ts'

const passwdArgs = v.object({ password: passwordSchema })

export function webCommands(agent: StorageAgent, web: Web | undefined): Record<string, ControlHandler> {
  return {
    claim: () => {
      const { code, expiresUs } = served(web).accounts.newClaim()
      return { code, expiresAt: new Date(expiresUs / 1000).toISOString(), urls: served(web).urls(networkInterfaces()) }
    },
    page: () => ({ urls: served(web).urls(networkInterfaces()), claimed: served(web).accounts.claimed }),
    passwd: async (args) => {
      const result = v.safeParse(passwdArgs, args)
      if (!result.success) throw new HomewardError('USAGE', result.issues[0].message)
      await served(web).accounts.setPassword(result.output.password)
      agent.log.info('the password of the page was set by command; all sessions ended')
      return {}
    },
  }
}

function served(web: Web | undefined): Web {
  if (web !== undefined) return web
  throw new HomewardError('USAGE', 'this storage agent serves no page', { hint: 'Start it without --http off.' })
}
