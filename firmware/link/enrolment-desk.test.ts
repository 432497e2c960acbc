import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeClock } from '../platform/clock-fake.ts'
import { isHomewardError } from '../wire/errors.ts'
import { nextBoot } from './boot-count.ts'
import { CameraList } from './cameras.ts'
import { REQUEST_BYTES } from './datagram.ts'
import { buildEnrol } from './enrolment.ts'
import { EnrolmentDesk, type Refusal } from './enrolment-desk.ts'
import { createIdentity, type Identity } from './identity.ts'
import { Peer, PeerTable } from './peer.ts'
import { FreshnessSource } from './replay.ts'
import { ReplayStore } from './replay-store.ts'
import { TokenStore } from './tokens.ts'

const storage = createIdentity()

interface Setup {
  readonly desk: EnrolmentDesk
  readonly tokens: TokenStore
  readonly cameras: CameraList
  readonly peers: PeerTable
  readonly replay: ReplayStore
  readonly refusals: Refusal[]
}

async function openDesk(dir: string, clock: FakeClock, folders: string[] = []): Promise<Setup> {
  const [tokens, cameras] = [await TokenStore.open(dir, clock), await CameraList.open(dir)]
  const [replay, peers] = [await ReplayStore.open(dir, clock), new PeerTable()]
  const refusals: Refusal[] = []
  const desk = new EnrolmentDesk({
    identity: storage,
    tokens,
    cameras,
    peers,
    replay,
    source: new FreshnessSource(await nextBoot(dir, clock)),
    clock,
    takenFolders: async () => folders,
    onRefusal: (refusal) => refusals.push(refusal),
  })
  return { desk, tokens, cameras, peers, replay, refusals }
}

/** The camera's side: offers itself, and reads the answer. */
class Camera {
  readonly identity: Identity
  readonly source: FreshnessSource
  readonly peer: Peer

  constructor(identity = createIdentity(), boot = 1) {
    this.identity = identity
    this.source = new FreshnessSource(boot)
    this.peer = new Peer(identity, storage.publicKey, this.source)
  }

  enrol(token: Uint8Array, name = ''): Uint8Array {
    const { identity, source } = this
    const offer = { camera: identity, storage: storage.publicKey, token, tx: '0102030405060708', name }
    return buildEnrol({ ...offer, fresh: source.next() })
  }

  /** The name it was given, or undefined when there was silence. */
  hear(answer: Uint8Array | undefined): string | undefined {
    if (answer === undefined) return undefined
    assert.ok(answer.byteLength <= REQUEST_BYTES)
    const message = this.peer.open(answer)
    if (message?.type !== 'enrolled') throw new Error('the answer does not open')
    assert.is(message.tx, '0102030405060708')
    return message.name
  }
}

const test = suite<{ dir: string; clock: FakeClock }>('enrolment desk', { dir: '', clock: new FakeClock() })
test.before.each(async (context) => {
  context.dir = await mkdtemp(join(tmpdir(), 'homeward-'))
  context.clock = new FakeClock()
})
// The store of what was seen may just be writing.
test.after.each(({ dir }) => rm(dir, { recursive: true, maxRetries: 20, retryDelay: 50 }))

test('a camera with the token is enrolled, answered, and known as a peer', async ({ dir, clock }) => {
  const { desk, tokens, cameras, peers } = await openDesk(dir, clock)
  const camera = new Camera()
  const probe = () => camera.peer.seal({ type: 'probe', tx: '0102030405060708', candidate: 1, sentUs: 1 })
  assert.is(peers.open(probe()), undefined)
  const { token } = await tokens.issue()
  assert.is(camera.hear(await desk.receive(camera.enrol(token, 'Front door'))), 'Front door')
  assert.equal(
    cameras.enrolled().map(({ folder }) => folder),
    ['Front-door'],
  )
  assert.is(peers.open(probe())?.message.type, 'probe')
})

test('the enrolment is on the disk before the answer, and a restart knows it', async ({ dir, clock }) => {
  const first = await openDesk(dir, clock)
  const camera = new Camera()
  const { token } = await first.tokens.issue()
  await first.desk.receive(camera.enrol(token))
  // No close: as after a power cut.
  const second = await openDesk(dir, clock)
  assert.is(second.cameras.enrolled().length, 1)
  assert.is(second.peers.open(camera.peer.seal({ type: 'bye', attempt: '0000000000000000' }))?.message.type, 'bye')
})

test('the answer was lost: the same camera asks again, even much later', async ({ dir, clock }) => {
  const first = await openDesk(dir, clock)
  const camera = new Camera()
  const { token } = await first.tokens.issue({ ttlS: 60 })
  const name = camera.hear(await first.desk.receive(camera.enrol(token, 'Door')))
  await clock.advance(3_600_000)
  assert.is(camera.hear(await first.desk.receive(camera.enrol(token, 'Door'))), name)
  const second = await openDesk(dir, clock)
  assert.is(camera.hear(await second.desk.receive(camera.enrol(token, 'Door'))), name)
  assert.is(second.cameras.all().length, 1)
  assert.equal(second.desk.counts, { enrolled: 0, repeated: 1, TOKEN_EXPIRED: 0, TOKEN_USED: 0 })
})

test('it is answered when even the window is forgotten', async ({ dir, clock }) => {
  const first = await openDesk(dir, clock)
  const camera = new Camera()
  const { token } = await first.tokens.issue()
  await first.desk.receive(camera.enrol(token, 'Door'))
  await rm(join(dir, 'tokens.json'))
  const second = await openDesk(dir, clock)
  assert.is(camera.hear(await second.desk.receive(camera.enrol(token))), 'Door')
})

test('a crash between token and list harms nothing', async ({ dir, clock }) => {
  const first = await openDesk(dir, clock)
  const camera = new Camera()
  const { token, window } = await first.tokens.issue({ ttlS: 60 })
  await first.tokens.claim(window.tokenHash, camera.identity.publicKey)
  await clock.advance(120_000)
  const second = await openDesk(dir, clock)
  assert.is(camera.hear(await second.desk.receive(camera.enrol(token, 'Door'))), 'Door')
  assert.is(second.cameras.enrolled().length, 1)
})

test('a used or expired token is silence on the wire and a line for the owner', async ({ dir, clock }) => {
  const { desk, tokens, cameras, refusals } = await openDesk(dir, clock)
  const [camera, late] = [new Camera(), new Camera()]
  const { token } = await tokens.issue({ ttlS: 60 })
  await desk.receive(camera.enrol(token))
  for (let times = 0; times < 3; times++) assert.is(await desk.receive(late.enrol(token, 'Late')), undefined)
  const second = await tokens.issue({ ttlS: 60 })
  await clock.advance(60_000)
  assert.is(await desk.receive(late.enrol(second.token)), undefined)
  assert.is(cameras.all().length, 1)
  assert.equal(desk.counts, { enrolled: 1, repeated: 0, TOKEN_EXPIRED: 1, TOKEN_USED: 3 })
  assert.equal(
    desk.refusals.map(({ why, attempts, camera: uid, name }) => [why, attempts, uid, name]),
    [
      ['TOKEN_EXPIRED', 1, late.identity.uid, ''],
      ['TOKEN_USED', 3, late.identity.uid, 'Late'],
    ],
  )
  assert.equal(
    refusals.map(({ why }) => why),
    ['TOKEN_USED', 'TOKEN_EXPIRED'],
  )
})

test('an unknown token is silence and no line', async ({ dir, clock }) => {
  const { desk } = await openDesk(dir, clock)
  assert.is(await desk.receive(new Camera().enrol(new Uint8Array(16))), undefined)
  assert.is(await desk.receive(new Uint8Array(REQUEST_BYTES)), undefined)
  assert.equal(desk.refusals, [])
})

test('a recorded enrol datagram is answered once', async ({ dir, clock }) => {
  const { desk, tokens } = await openDesk(dir, clock)
  const camera = new Camera()
  const { token } = await tokens.issue()
  const recorded = camera.enrol(token)
  assert.ok(await desk.receive(recorded))
  assert.is(await desk.receive(recorded), undefined)
  assert.ok(await desk.receive(camera.enrol(token)))
  assert.is(await desk.receive(recorded), undefined)
})

test('many at once: one token, one camera', async ({ dir, clock }) => {
  const { desk, tokens, cameras } = await openDesk(dir, clock)
  const all = Array.from({ length: 6 }, () => new Camera())
  const { token } = await tokens.issue()
  const answers = await Promise.all(all.map((camera) => desk.receive(camera.enrol(token))))
  assert.is(answers.filter((answer) => answer !== undefined).length, 1)
  assert.is(cameras.all().length, 1)
  assert.is(desk.counts.TOKEN_USED, 5)
})

test('the name: the owner’s at storage, else the camera’s, and a returning camera keeps its own', async ({
  dir,
  clock,
}) => {
  const { desk, tokens, cameras } = await openDesk(dir, clock, ['Yard'])
  const camera = new Camera()
  const pairAs = async (name?: string, wish = '') => {
    const { token } = await tokens.issue(name === undefined ? {} : { name })
    return camera.hear(await desk.receive(camera.enrol(token, wish)))
  }
  assert.is(await pairAs(undefined, 'Yard'), 'Yard')
  assert.equal(
    cameras.enrolled().map(({ folder }) => folder),
    ['Yard-2'],
  )
  assert.is(await pairAs(undefined, 'Something else'), 'Yard')
  assert.is(await pairAs('Garden', 'Something else'), 'Garden')
  assert.equal(
    cameras.enrolled().map(({ folder }) => folder),
    ['Yard-2'],
  )
})

test('forgotten: silence to everything it knows, until it gets a new code', async ({ dir, clock }) => {
  const { desk, tokens, cameras, peers } = await openDesk(dir, clock)
  const camera = new Camera()
  const { token } = await tokens.issue()
  await desk.receive(camera.enrol(token, 'Door'))
  await desk.forget(camera.identity.publicKey)
  const bye = () => camera.peer.seal({ type: 'bye', attempt: '0000000000000000' })
  assert.is(peers.open(bye()), undefined)
  assert.is(await desk.receive(camera.enrol(token)), undefined)
  const restarted = await openDesk(dir, clock)
  assert.is(await restarted.desk.receive(camera.enrol(token)), undefined)
  assert.is(restarted.peers.open(bye()), undefined)
  const again = await tokens.issue()
  assert.is(camera.hear(await desk.receive(camera.enrol(again.token))), 'Door')
  assert.is(cameras.enrolled().length, 1)
  assert.ok(peers.open(bye()))
})

test('forgetting nobody', async ({ dir, clock }) => {
  const { desk } = await openDesk(dir, clock)
  try {
    await desk.forget(createIdentity().publicKey)
    assert.unreachable()
  } catch (error) {
    assert.ok(isHomewardError(error, 'CAMERA_UNKNOWN'))
  }
})

test('a camera that lost its boot count is believed again with a new code', async ({ dir, clock }) => {
  const { desk, tokens, peers } = await openDesk(dir, clock)
  const before = new Camera(createIdentity(), 900)
  const first = await tokens.issue()
  await desk.receive(before.enrol(first.token))
  const after = new Camera(before.identity, 1)
  assert.is(await desk.receive(after.enrol(first.token)), undefined)
  const second = await tokens.issue()
  assert.ok(await desk.receive(after.enrol(second.token)))
  assert.ok(peers.open(after.peer.seal({ type: 'bye', attempt: '0000000000000000' })))
})

test('public-key work for strangers who saw a tag is bounded', async ({ dir, clock }) => {
  const { desk, tokens } = await openDesk(dir, clock)
  const camera = new Camera()
  const { token } = await tokens.issue()
  const genuine = camera.enrol(token)
  for (let count = 0; count < 50; count++) await desk.receive(genuine.with(100, count))
  assert.is(await desk.receive(camera.enrol(token)), undefined)
  await clock.advance(1000)
  assert.ok(await desk.receive(camera.enrol(token)))
})

test('a state folder that cannot be written: no answer, an error, and it works once it can', async ({ dir, clock }) => {
  const state = join(dir, 'state')
  const { desk, tokens } = await openDesk(state, clock)
  const camera = new Camera()
  const { token } = await tokens.issue()
  await rm(state, { recursive: true })
  await writeFile(state, 'not a folder')
  try {
    await desk.receive(camera.enrol(token))
    assert.unreachable()
  } catch (error) {
    assert.ok(isHomewardError(error, 'DISK_FAILED'))
  }
  await rm(state)
  assert.ok(await desk.receive(camera.enrol(token)))
})

test.run()
