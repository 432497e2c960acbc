/** `homeward p2p` and its TLS port, with the real program. */
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { makeCertificate } from '../link/certificate.ts'
import { dialTls } from '../link/tls-line.ts'
import { formatUid } from '../link/uid.ts'
import { hasRedis, RedisServer } from '../p2p/registry/redis-fixture.ts'
import { RealClock } from '../platform/clock-real.ts'
import { assertRefused, CommandRun, homeward } from './command-fixture.ts'

const test = suite('homeward p2p', { folder: '' })

test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), 'homeward-'))
})
test.after.each((context) => rm(context.folder, { recursive: true }))

interface Up {
  readonly listen: { readonly host: string; readonly port: number }
  readonly tlsListen: { readonly host: string; readonly port: number }
  readonly key: string
}

async function start(folder: string, ...flags: string[]): Promise<{ program: CommandRun; up: Up }> {
  const program = new CommandRun(['p2p', '--listen', '127.0.0.1:0', '--state', join(folder, 'state'), ...flags])
  await program.printed('P2P server is up')
  const line = program.stderr.split('\n').find((each) => each.includes('P2P server is up')) ?? ''
  return { program, up: JSON.parse(line) as Up }
}

async function keyAt({ tlsListen: { port } }: Up): Promise<string> {
  const { signal } = new AbortController()
  const line = await dialTls({ address: { host: '127.0.0.1', port }, key: undefined, clock: new RealClock(), signal })
  await line.close()
  return formatUid(line.key)
}

test('proves its own key over TLS, with a certificate that it makes once, and stops with connections open', async ({
  folder,
}) => {
  const first = await start(folder)
  assert.is(await keyAt(first.up), first.up.key)
  const socket = connect(first.up.tlsListen.port, '127.0.0.1')
  socket.on('error', () => {})
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()))
  const made = await readFile(join(folder, 'state', 'tls.pem'), 'utf8')
  const stopped = await first.program.end('SIGTERM')
  assert.is(stopped.status, 0)
  assert.is(stopped.stderr.includes('not stopped within'), false)
  const second = await start(folder)
  assert.is(await keyAt(second.up), first.up.key)
  assert.is((await second.program.end('SIGTERM')).status, 0)
  assert.is(await readFile(join(folder, 'state', 'tls.pem'), 'utf8'), made)
})

test('takes a certificate that it is given, and says what is wrong with one', async ({ folder }) => {
  const [cert, key, other] = ['cert.pem', 'key.pem', 'other.pem'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  const made = makeCertificate()
  await writeFile(cert, made.cert)
  await writeFile(key, made.key)
  await writeFile(other, makeCertificate().key)
  const { program, up } = await start(folder, '--tls-cert', cert, '--tls-key', key)
  assert.is(await keyAt(up), up.key)
  const run = (...flags: string[]) =>
    homeward(['p2p', '--listen', '127.0.0.1:0', '--state', join(folder, 'second'), ...flags])
  assertRefused(await run('--tls-cert', cert), 2, /--tls-cert without --tls-key/)
  assertRefused(await run('--tls-cert', cert, '--tls-key', other), 2, /the key is not that of the certificate/)
  assertRefused(await run('--tls-cert', join(folder, 'none'), '--tls-key', key), 2, /none cannot be read \(ENOENT\)/)
  const taken = `127.0.0.1:${up.tlsListen.port}`
  assertRefused(await run('--tls-listen', taken), 1, /TCP port \d+ is taken by another program/)
  assertRefused(await run('--listen', '127.0.0.1:65535'), 2, /there is no TCP port 65538/)
  await program.end('SIGTERM')
})

const withRedis = hasRedis() ? test : test.skip

withRedis('servers that share a registry share a key, and say where they are reached', async ({ folder }) => {
  const redis = await RedisServer.start()
  const shared = ['--registry', redis.url]
  const one = await start(folder, ...shared)
  await one.program.printed('the registry is shared')
  const run = (state: string, listen: string, ...flags: string[]) =>
    homeward(['p2p', '--listen', listen, '--state', join(folder, state), ...shared, ...flags])
  assertRefused(await run('other', '127.0.0.1:0'), 2, /belongs to other P2P servers.*copy identity\.key/s)
  assertRefused(await run('other', '0.0.0.0:0'), 2, /--registry redis:\S+ without --public.*--public HOST:PORT/s)
  assertRefused(await run('other', '127.0.0.1:0', '--registry', 'mysql://x'), 2, /expected memory, or redis:/)

  await mkdir(join(folder, 'second', 'state'), { recursive: true, mode: 0o700 })
  await copyFile(join(folder, 'state', 'identity.key'), join(folder, 'second', 'state', 'identity.key'))
  const two = await start(join(folder, 'second'), ...shared, '--public', 'two.example:7440')
  assert.is(two.up.key, one.up.key)
  for (const { program } of [one, two]) assert.is((await program.end('SIGTERM')).status, 0)
  await redis.close()
})

withRedis('a server starts without its Redis, and says what that means', async ({ folder }) => {
  const redis = await RedisServer.start()
  await redis.stop()
  const { program } = await start(folder, '--registry', redis.url)
  assert.match(program.stderr, /the registry redis:\S+ does not answer \(connect ECONNREFUSED .*it is tried again/)
  await redis.startAgain()
  await program.printed('the registry is shared')
  assert.is((await program.end('SIGTERM')).status, 0)
  await redis.close()
})

test.run()
