import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Certificate, makeCertificate } from '../link/certificate.ts'
import { FakeClock } from '../platform/clock-fake.ts'
import { CertificateWatch, LOOK_EVERY_MS } from './certificate-watch.ts'
import { Rig } from './rig-fixture.ts'

async function scene(use: (scene: Awaited<ReturnType<typeof open>>) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'homeward-'))
  const opened = await open(folder)
  try {
    await use(opened)
  } finally {
    await opened.watch.close()
    await opened.watch.close()
    assert.is(opened.clock.pendingTimers, 0)
    await rm(folder, { recursive: true })
  }
}

async function open(folder: string) {
  const clock = new FakeClock()
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  /** As certbot does it: a new file in place of the old one. */
  const put = async (path: string, text: string) => {
    await writeFile(`${path}.new`, text)
    await rename(`${path}.new`, path)
  }
  const first = makeCertificate()
  await put(files.cert, first.cert)
  await put(files.key, first.key)
  const renewed: Certificate[] = []
  const problems: string[] = []
  const watch = new CertificateWatch(
    {
      ...{ stateDir: folder, files, clock },
      onRenewed: (certificate) => renewed.push(certificate),
      onProblem: (message) => problems.push(message),
    },
    first,
  )
  await watch.start()
  const look = async () => {
    await clock.advance(LOOK_EVERY_MS)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return { clock, files, put, watch, renewed, problems, look }
}

test('another certificate is taken when its files change, and only then', async () => {
  await scene(async ({ files, put, renewed, problems, look }) => {
    await look()
    assert.equal([renewed, problems], [[], []])
    const next = makeCertificate()
    await put(files.cert, next.cert)
    await put(files.key, next.key)
    await look()
    await look()
    assert.equal(renewed, [next])
    assert.equal(problems, [])
  })
})

test('half a renewal is waited for, and what is no certificate changes nothing', async () => {
  await scene(async ({ files, put, renewed, problems, look }) => {
    const next = makeCertificate()
    await put(files.cert, next.cert)
    await look()
    await look()
    assert.is(problems.length, 1, 'told once')
    assert.match(problems[0] ?? '', /the key is not that of the certificate/)
    await put(files.key, next.key)
    await look()
    assert.equal(renewed, [next])
    await rm(files.cert)
    await look()
    assert.match(problems[1] ?? '', /cannot be read \(ENOENT\)/)
    await put(files.cert, next.cert)
    await look()
    assert.is(renewed.length, 1, 'the one that is in use is back')
  })
})

test('at once when somebody asks, and nothing after the end', async () => {
  await scene(async ({ files, put, watch, renewed }) => {
    const next = makeCertificate()
    await put(files.cert, next.cert)
    await put(files.key, next.key)
    await watch.reload()
    assert.equal(renewed, [next])
    await watch.close()
    await put(files.cert, makeCertificate().cert)
    await watch.reload()
    assert.is(renewed.length, 1)
  })
})

test('the listener shows another certificate to who comes from now on, and keeps those who are there', async () => {
  const rig = await Rig.start()
  const shown = () =>
    new Promise<{ fingerprint: string | undefined; end(): void }>((resolve, reject) => {
      const socket = connect({ port: rig.listener.port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
        const fingerprint = socket.getPeerX509Certificate()?.fingerprint256
        resolve({ fingerprint, end: () => socket.destroy() })
      })
      socket.on('error', reject)
    })
  const before = await shown()
  const { connections } = rig.listener
  rig.listener.useCertificate(makeCertificate())
  const after = await shown()
  assert.is.not(after.fingerprint, before.fingerprint)
  assert.is(rig.listener.connections, connections + 1)
  for (const one of [before, after]) one.end()
  await rig.close()
})

test.run()
