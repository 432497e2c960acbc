/** Opens a pairing window and makes its setup code, for the command and the page alike. */
import { formatSetupCode } from '../link/setup-code.ts'
import type { PairingWindow } from '../link/tokens.ts'
import type { StorageAgent } from './agent.ts'

export interface NewSetupCode {
  readonly setupCode: string
  readonly window: PairingWindow
  /** What its owner should know about it. */
  readonly note: string | undefined
}

/** Throws USAGE when too many windows are open. */
export async function openPairing(
  agent: StorageAgent,
  options: { readonly name?: string; readonly ttlS?: number },
): Promise<NewSetupCode> {
  const { token, window } = await agent.tokens.issue(options)
  const { server, status } = agent.server
  const code = { storage: agent.identity.publicKey, token, addresses: agent.candidates() }
  const why = status.state === 'none' ? 'no P2P server is set' : 'the P2P server has not answered yet'
  return {
    setupCode: formatSetupCode(server === undefined ? code : { ...code, server }),
    window,
    note: server === undefined ? `It works in this network only: ${why}.` : undefined,
  }
}
