/** The metrics of a real server on real sockets, while it is used and abused. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SIGNAL_KIND } from '../link/datagram-port.ts'
import { lookUp } from '../link/look-up.ts'
import { joinRelayUdp } from '../link/relay-udp.ts'
import { signalDatagram } from '../link/signal-port.ts'
import { isHomewardError } from '../wire/errors.ts'
import { P2pMetrics } from './metrics.ts'
import { MetricsListener } from './metrics-listener.ts'
import { clock, pause, Rig, random, until } from './rig-fixture.ts'

const LOCAL = { host: '127.0.0.1', port: 0 }

/** What a Prometheus server reads: each line's value by its name and labels. */
function parse(text: string): Map<string, number> {
  const values = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const match = /^([a-z_0-9]+(?:\{[^}]*\})?) (\S+)$/.exec(line)
    assert.ok(match, `"${line}" is no line of the text format`)
    values.set(match?.[1] ?? '', Number(match?.[2]))
  }
  return values
}

async function scene() {
  const rig = await Rig.start()
  const listener = await MetricsListener.listen(LOCAL, new P2pMetrics(rig.server))
  rig.onClose(() => listener.close())
  const url = `http://127.0.0.1:${listener.port}`
  const read = async () => {
    const response = await fetch(`${url}/metrics`)
    assert.is(response.status, 200)
    assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
    return parse(await response.text())
  }
  return { rig, url, read, port: listener.port }
}

test('registrations, look-ups, relays and rubbish are counted, also while much of it comes', async () => {
  const { rig, read } = await scene()
  const storage = await rig.storage()
  const camera = rig.device()
  const signal = new AbortController().signal
  const { tag, identity, registration } = storage
  const ask = { signals: camera.signals, server: rig.addresses(), storage: identity.publicKey, clock, random, signal }
  for (let index = 0; index < 20; index++) await lookUp({ ...ask, tag })

  const stranger = rig.device()
  let sent = 0
  const flood = setInterval(() => {
    for (let index = 0; index < 50; index++) stranger.port.send(random.bytes(200).fill(SIGNAL_KIND, 0, 1), rig.udp)
    const key = random.bytes(16)
    for (let index = 0; index < 5; index++) {
      sent++
      stranger.port.send(signalDatagram({ t: 'look-up', nonce: random.bytes(16), key }), rig.udp)
    }
  }, 5)
  const key = random.bytes(16)
  const join = (device: typeof camera, stream: number, more = {}) =>
    joinRelayUdp({
      ...ask,
      signals: device.signals,
      address: rig.udp,
      serverKey: rig.identity.publicKey,
      key,
      stream,
      ...more,
    })
  const [own, far] = [camera.port.openStream(), storage.port.openStream()]
  const [atCamera, atStorage] = await Promise.all([
    join(camera, own.id),
    join(storage, far.id, { owner: registration.owner() }),
  ])
  own.connect(atCamera.stream, atCamera.to)
  far.connect(atStorage.stream, atStorage.to)
  let received = 0
  far.bytes.on('data', (chunk) => {
    received += chunk.byteLength
  })
  own.bytes.write(new Uint8Array(200_000))
  await until(() => received === 200_000, 'relayed')
  for (let index = 0; index < 10; index++) {
    const values = await read()
    assert.is(values.get('homeward_p2p_devices'), 1)
    await pause(20)
  }
  clearInterval(flood)
  await pause(300)

  const values = await read()
  const { counters } = rig.server
  const at = (name: string) => values.get(name) ?? Number.NaN
  assert.is(at('homeward_p2p_keys'), 1)
  assert.is(at('homeward_p2p_registrations_total{outcome="registered"}'), 1)
  assert.is(at('homeward_p2p_lookups_total{outcome="found"}'), counters.found)
  assert.ok(counters.found >= 20)
  assert.ok(at('homeward_p2p_lookups_total{outcome="unknown"}') > sent * 0.5, `${sent} sent`)
  assert.is(at('homeward_p2p_dropped_total{reason="malformed"}'), counters.malformed)
  assert.ok(counters.malformed > 100)
  assert.is(at('homeward_p2p_messages_total{direction="in"}'), counters.received)
  assert.is(at('homeward_p2p_messages_total{direction="out"}'), counters.answered)
  assert.is(at('homeward_p2p_relays{kind="udp"}'), 1)
  assert.is(at('homeward_p2p_relays{kind="tls"}'), 0)
  assert.is(at('homeward_p2p_relay_requests_total{kind="udp",outcome="joined"}'), 1)
  assert.ok(at('homeward_p2p_relayed_bytes_total{kind="udp"}') >= 200_000)
  assert.is(at('homeward_p2p_tls_connections'), 0)
  assert.is(at('homeward_p2p_tls_total{outcome="failed-handshakes"}'), 0)
  assert.ok(at('process_cpu_seconds_total') > 0)
  assert.ok(at('process_resident_memory_bytes') > 1e7)
  assert.ok(at('process_open_fds') > 5)
  assert.ok(Math.abs(at('process_start_time_seconds') + process.uptime() - Date.now() / 1000) < 5)
  assert.not.ok(
    [...values.keys()].some((name) => name.includes('registry')),
    'nothing is shared here',
  )
  // A second look counts nothing twice.
  assert.is((await read()).get('homeward_p2p_registrations_total{outcome="registered"}'), 1)
  await rig.close()
})

test('only /metrics, only to read, and a port that is taken', async () => {
  const { rig, url, port } = await scene()
  assert.is((await fetch(url)).status, 404)
  assert.is((await fetch(`${url}/metrics?a=b`)).status, 200)
  assert.is((await fetch(`${url}/metrics`, { method: 'POST' })).status, 405)
  assert.is(await (await fetch(`${url}/metrics`, { method: 'HEAD' })).text(), '')
  for (const [listen, code] of [
    [{ ...LOCAL, port }, 'ADDRESS_IN_USE'],
    [{ host: '192.0.2.1', port: 0 }, 'CONFIG_INVALID'],
  ] as const) {
    const refused = await MetricsListener.listen(listen, new P2pMetrics(rig.server)).catch((error: unknown) => error)
    assert.ok(isHomewardError(refused, code), String(refused))
  }
  await rig.close()
})

test('what cannot be read is said, and the next time it can', async () => {
  let isBroken = true
  const text = async () => {
    if (isBroken) throw new Error('the registry is closed')
    return 'a 1\n'
  }
  const listener = await MetricsListener.listen(LOCAL, { contentType: 'text/plain', text })
  const url = `http://127.0.0.1:${listener.port}/metrics`
  const broken = await fetch(url)
  assert.is(broken.status, 500)
  assert.match(await broken.text(), /could not be read: the registry is closed/)
  isBroken = false
  assert.is(await (await fetch(url)).text(), 'a 1\n')
  await listener.close()
})

test.run()
