/** `homeward p2p` and its TLS port, with the real program. */
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
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
  readonly metrics?: { readonly port: number }
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

test('a renewed certificate is taken on SIGHUP, and metrics are served', async ({ folder }) => {
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const write = async ({ cert: first, key: second } = makeCertificate()) => {
    await writeFile(cert, first)
    await writeFile(key, second)
  }
  await write()
  const { program, up } = await start(folder, '--tls-cert', cert, '--tls-key', key, '--metrics', '127.0.0.1:0')
  const shown = () =>
    new Promise<string | undefined>((resolve, reject) => {
      const socket = connectTls({ port: up.tlsListen.port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
        resolve(socket.getPeerX509Certificate()?.fingerprint256)
        socket.destroy()
      }).on('error', reject)
    })
  const before = await shown()
  await write()
  program.child.kill('SIGHUP')
  await program.printed('the certificate is renewed')
  assert.is.not(await shown(), before)
  await writeFile(key, 'no key')
  program.child.kill('SIGHUP')
  await program.printed('the certificate until now stays in use')
  assert.is(await keyAt(up), up.key)

  const { port } = up.metrics ?? { port: 0 }
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  assert.match(text, /^homeward_p2p_tls_total\{outcome="accepted"\} [1-9]/m)
  const taken = ['p2p', '--listen', '127.0.0.1:0', '--state', join(folder, 'second'), '--metrics', `127.0.0.1:${port}`]
  assertRefused(await homeward(taken), 1, /TCP port \d+ is taken.*another port for --metrics/s)
  assert.is((await program.end('SIGTERM')).status, 0)
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
