/** What the storage device allows the camera to have in flight: the credit window, and a grant for one larger record. */

export interface Need {
  readonly id: number
  readonly bytes: number
}

export class CreditWindow {
  #creditBytes: number
  #unconfirmed: number | undefined
  #needs = 0
  #need: Need | undefined
  #grant: { readonly bytes: number; used: boolean } | undefined

  constructor(creditBytes: number) {
    this.#creditBytes = creditBytes
  }

  get creditBytes(): number {
    return this.#creditBytes
  }

  get grant(): { readonly bytes: number; readonly used: boolean } | undefined {
    return this.#grant
  }

  /** Asked for and not granted yet. */
  get needBytes(): number | undefined {
    return this.#need?.bytes
  }

  setCredit(id: number, bytes: number): void {
    this.#creditBytes = bytes
    this.#unconfirmed = id
  }

  /** The window to confirm, once nothing above it is in flight; then it is confirmed. */
  takeConfirmation(inFlightBytes: number): number | undefined {
    if (inFlightBytes > this.#creditBytes) return undefined
    const id = this.#unconfirmed
    this.#unconfirmed = undefined
    return id
  }

  /** Asks for a grant, instead of the one asked for or granted before; 0 only gives that up. */
  ask(bytes: number): Need {
    const need = { id: ++this.#needs, bytes }
    this.#need = bytes === 0 ? undefined : need
    this.#grant = undefined
    return need
  }

  /** The answer to a need that was replaced meanwhile means nothing: the storage device has taken it back. */
  giveGrant({ id, bytes }: Need): void {
    if (this.#need?.id !== id) return
    this.#need = undefined
    this.#grant = { bytes, used: false }
  }

  useGrant(): void {
    if (this.#grant !== undefined) this.#grant.used = true
  }

  /** The record could not be read: its grant is free for another. */
  keepGrant(): void {
    if (this.#grant !== undefined) this.#grant.used = false
  }

  /** The record sent under the grant is answered. */
  endGrant(): void {
    this.#grant = undefined
  }
}
