/** The cameras a storage device knows: STATE/cameras.json. Forgotten ones stay listed, for their footage keeps its folder. */
import { join } from 'node:path'
import { equalBytes, fromHex, toHex } from '../wire/bytes.ts'
import { HomewardError } from '../wire/errors.ts'
import { tidyBase32 } from './base32.ts'
import { cleanName, folderNameFor } from './names.ts'
import { asFields, type Fields, isCount, isHex, readState, stateDamaged, writeState } from './state-json.ts'
import { formatUid, shortId } from './uid.ts'

const FILE = 'cameras.json'
const FORMAT = 'homeward-cameras-1'

export interface Camera {
  readonly key: Uint8Array
  readonly uid: string
  /** As its owner calls it. */
  readonly name: string
  /** Its folder under the archive's root; never changes, so that nothing has to be moved. */
  readonly folder: string
  /** Wall time in µs. */
  readonly enrolledUs: number
  /** Hash (hex) of the setup token it last used. */
  readonly tokenHash: string
  /** Set while it is forgotten: it is not answered, its footage stays. */
  readonly forgottenUs?: number
}

export interface Enrolment {
  readonly key: Uint8Array
  /** Wish of the owner or camera; empty for none. */
  readonly name: string
  readonly tokenHash: string
  readonly enrolledUs: number
  /** Folders that exist but belong to no camera listed here. */
  readonly takenFolders?: readonly string[]
}

export class CameraList {
  readonly #path: string
  #cameras: readonly Camera[] = []
  readonly #listeners = new Set<() => void>()
  #writing: Promise<unknown> = Promise.resolve()

  private constructor(path: string) {
    this.#path = path
  }

  /** Throws STATE_DAMAGED. */
  static async open(stateDir: string): Promise<CameraList> {
    const list = new CameraList(join(stateDir, FILE))
    list.#cameras = camerasOf(await readState(list.#path, FORMAT), list.#path)
    return list
  }

  /** Those that are answered. */
  enrolled(): Camera[] {
    return this.#cameras.filter((camera) => camera.forgottenUs === undefined)
  }

  /** Forgotten ones too. */
  all(): readonly Camera[] {
    return this.#cameras
  }

  /** Forgotten ones too. */
  get(key: Uint8Array): Camera | undefined {
    return this.#cameras.find((camera) => equalBytes(camera.key, key))
  }

  /** By name, folder, UID or the first characters of a UID. Throws CAMERA_UNKNOWN, also when several fit. */
  find(text: string): Camera {
    const wanted = text.trim().toLowerCase()
    const prefix = tidyBase32(text)
    const byName = this.#cameras.filter(({ name, folder }) =>
      [name, folder].some((own) => own.toLowerCase() === wanted),
    )
    const fitting =
      byName.length > 0 || prefix === ''
        ? byName
        : this.#cameras.filter((camera) => tidyBase32(camera.uid).startsWith(prefix))
    const [found] = fitting
    if (found !== undefined && fitting.length === 1) return found
    const names = (found === undefined ? this.#cameras : fitting).map(({ name, key }) => `${name} (${shortId(key)})`)
    throw new HomewardError(
      'CAMERA_UNKNOWN',
      `"${text}" is ${found === undefined ? 'no camera' : 'more than one camera'} here`,
      {
        hint:
          names.length === 0
            ? 'No camera is paired yet: make a setup code with `homeward storage pair`.'
            : `Known: ${names.join(', ')}.`,
      },
    )
  }

  /** Adds the camera, or takes a known one back; it keeps its name unless `name` is given, and its folder always. */
  enrol(enrolment: Enrolment): Promise<Camera> {
    return this.#change(() => {
      const { key, tokenHash, enrolledUs } = enrolment
      const known = this.get(key)
      const name = cleanName(enrolment.name) || known?.name || `camera ${shortId(key).toLowerCase()}`
      const taken = [...this.#cameras.map(({ folder }) => folder), ...(enrolment.takenFolders ?? [])]
      const folder = known?.folder ?? folderNameFor(name, taken)
      const camera: Camera = { key: Uint8Array.from(key), uid: formatUid(key), name, folder, enrolledUs, tokenHash }
      return camera
    })
  }

  /** Throws CAMERA_UNKNOWN. The folder stays. */
  rename(key: Uint8Array, name: string): Promise<Camera> {
    return this.#change(() => ({ ...this.#known(key), name: cleanName(name) || this.#known(key).name }))
  }

  /** Throws CAMERA_UNKNOWN. */
  forget(key: Uint8Array, forgottenUs: number): Promise<Camera> {
    return this.#change(() => ({ ...this.#known(key), forgottenUs }))
  }

  /** Called when a change is durable. Returns the way to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #known(key: Uint8Array): Camera {
    const camera = this.get(key)
    if (camera === undefined) throw new HomewardError('CAMERA_UNKNOWN', `no camera ${shortId(key)} is known here`)
    return camera
  }

  /** One change at a time; it shows only once it is durable. */
  #change(make: () => Camera): Promise<Camera> {
    const done = this.#writing.then(async () => {
      const changed = make()
      const at = this.#cameras.findIndex((camera) => equalBytes(camera.key, changed.key))
      const next = at < 0 ? [...this.#cameras, changed] : this.#cameras.with(at, changed)
      await writeState(this.#path, FORMAT, { cameras: next.map(encode) })
      this.#cameras = next
      for (const listener of this.#listeners) listener()
      return changed
    })
    this.#writing = done.catch(() => {})
    return done
  }
}

function encode({ key, ...rest }: Camera): Fields {
  return { key: toHex(key), ...rest }
}

function camerasOf(fields: Fields | undefined, path: string): Camera[] {
  if (fields === undefined) return []
  const items = fields.cameras
  if (!Array.isArray(items)) throw stateDamaged(path, '"cameras" is not a list')
  return items.map((item: unknown, at) => {
    const { key, name, folder, enrolledUs, tokenHash, forgottenUs } = asFields(item) ?? {}
    const fits =
      isHex(key, 32) &&
      typeof name === 'string' &&
      cleanName(name) === name &&
      typeof folder === 'string' &&
      folderNameFor(folder, []) === folder &&
      isCount(enrolledUs) &&
      isHex(tokenHash, 32) &&
      (forgottenUs === undefined || isCount(forgottenUs))
    if (!fits) throw stateDamaged(path, `"cameras[${at}]" has wrong fields`)
    const camera = { key: fromHex(key), uid: formatUid(fromHex(key)), name, folder, enrolledUs, tokenHash }
    return forgottenUs === undefined ? camera : { ...camera, forgottenUs }
  })
}
