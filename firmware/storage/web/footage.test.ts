/** What a camera recorded, over HTTP: real files, real bytes, and players that are not ours. */
import { writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseInit } from '../../media/init.ts'
import { ffmpegTest } from '../../media/sample-streams.ts'
import { SECOND } from '../archive/archive-fixture.ts'
import type { ExportPlan, Timeline } from './api.ts'
import { STILL_TIME_HEADER } from './constants.ts'
import { film, pictures, sampleBytes, sampleStream, spanOf } from './footage-fixture.ts'
import { nowUs, withHome } from './web-fixture.ts'

const AT = '/api/v1/cameras/Front-door'
ffmpegTest(
  'a playlist over a file edge and a gap: every part plays every picture; another player takes it with a token in its URL',
  async () => {
    await withHome(async (home) => {
      const { token } = (await home.asOwner('/api/v1/tokens', { body: { name: 'player' } })).json<{ token: string }>()
      const startUs = nowUs() - 600 * SECOND
      await film(home, startUs)
      await film(home, startUs + 6 * SECOND, { run: 1, seq: 100 })
      await film(home, startUs + 60 * SECOND, { run: 2, seq: 200 })
      const path = `${AT}/playlist.m3u8?${spanOf(startUs, startUs + 90 * SECOND)}`
      const { text, status, headers } = await home.asOwner(`${path}&times=stored`)
      assert.equal([status, headers.get('content-type')], [200, 'application/vnd.apple.mpegurl'])
      assert.equal([text.match(/#EXT-X-DISCONTINUITY\n/g)?.length, text.match(/#EXT-X-MAP/g)?.length], [2, 3])
      assert.match(text, new RegExp(`#EXT-X-PROGRAM-DATE-TIME:${new Date(startUs / 1000 + 60_000).toISOString()}`))
      const original = join(home.folder, 'original.mp4')
      await writeFile(original, sampleBytes())
      const source = await pictures(original)
      const url = `http://127.0.0.1:${home.port}${AT}`
      for (const [index, part] of text.split('#EXT-X-DISCONTINUITY\n').entries()) {
        const pieces = part.matchAll(/BYTERANGE[:=]"?(\d+)@(\d+)/g)
        const name = /media\/[\w.-]+/.exec(part)?.[0] ?? ''
        const bytes: Buffer[] = []
        for (const [, count, at] of pieces) {
          const range = `bytes=${at}-${Number(at) + Number(count) - 1}`
          const response = await fetch(`${url}/${name}`, { headers: { range, authorization: `Bearer ${token}` } })
          assert.is(response.status, 206)
          bytes.push(Buffer.from(await response.arrayBuffer()))
        }
        const file = join(home.folder, `part-${index}.mp4`)
        await writeFile(file, Buffer.concat(bytes))
        assert.equal(await pictures(file), source, `part ${index}`)
      }
      const joined = (await home.asOwner(path)).text
      assert.not.match(joined, /#EXT-X-DISCONTINUITY\n/, 'where the format is the same, times go on')
      const all = await pictures(`http://127.0.0.1:${home.port}${path}&token=${token}`)
      assert.equal(all, [...source, ...source, ...source], 'ffmpeg leaves out what lies behind a discontinuity')
    })
  },
)

ffmpegTest(
  'an export is announced, streamed with its true length, and equal to the source picture by picture',
  async () => {
    await withHome(async (home) => {
      const startUs = nowUs() - 600 * SECOND
      await film(home, startUs)
      await film(home, startUs + 30 * SECOND, { run: 1, seq: 100 })
      const span = spanOf(startUs, startUs + 60 * SECOND)
      const plan = (await home.asOwner(`${AT}/export?${span}`)).json<ExportPlan>()
      assert.equal([plan.fragments, plan.pieces.length, plan.gaps.length, plan.damaged.length], [12, 2, 2, 0])
      const cookie = await home.signIn()
      const response = await fetch(`http://127.0.0.1:${home.port}${AT}/export.mp4?${span}`, { headers: { cookie } })
      const bytes = new Uint8Array(await response.arrayBuffer())
      assert.equal([response.headers.get('content-length'), bytes.byteLength], [String(plan.bytes), plan.bytes])
      const url = `http://127.0.0.1:${home.port}${AT}/export.mp4?${span}`
      const announced = await fetch(url, { method: 'HEAD', headers: { cookie } })
      assert.equal([announced.status, announced.headers.get('content-length')], [200, String(plan.bytes)])
      assert.match(
        response.headers.get('content-disposition') ?? '',
        /^attachment; filename="Front-door-[\dT-]+Z\.mp4"$/,
      )
      const [path, original] = [join(home.folder, 'export.mp4'), join(home.folder, 'original.mp4')]
      await writeFile(path, bytes)
      await writeFile(original, sampleBytes())
      const source = await pictures(original)
      assert.equal(await pictures(path), [...source, ...source])
    })
  },
)

ffmpegTest('a still is the key frame at that moment, alone in an MP4 that decodes', async () => {
  await withHome(async (home) => {
    const startUs = nowUs() - 600 * SECOND
    await film(home, startUs)
    const { fragments } = sampleStream()
    const thirdUs = startUs + (fragments[0]?.durationUs ?? 0) + (fragments[1]?.durationUs ?? 0)
    const cookie = await home.signIn()
    const still = async (at: number) => {
      const response = await fetch(`http://127.0.0.1:${home.port}${AT}/still?at=${at}`, { headers: { cookie } })
      return { response, bytes: new Uint8Array(await response.arrayBuffer()) }
    }
    const { response, bytes } = await still(Math.ceil(thirdUs / 1000) + 300)
    assert.is(response.headers.get(STILL_TIME_HEADER), String(Math.floor(thirdUs / 1000)))
    const whole = await home.asOwner(`${AT}/still`)
    assert.is(whole.status, 200, 'the newest, without a moment')
    const [path, original] = [join(home.folder, 'still.mp4'), join(home.folder, 'original.mp4')]
    await writeFile(path, bytes)
    await writeFile(original, sampleBytes())
    const [shown, ...more] = await pictures(path)
    assert.equal(more, [], 'one picture')
    assert.is((await pictures(original))[20], shown, 'the third second begins with it')
    assert.is((await still(startUs / 1000 - 1000)).response.status, 404)
  })
})

test('media: ranges of what the index vouches for, and nothing else', async () => {
  await withHome(async (home) => {
    const startUs = nowUs() - 60 * SECOND
    for (let seq = 0; seq < 3; seq += 1) await home.store({ seq, wallUs: startUs + seq * SECOND })
    const { text } = await home.asOwner(`${AT}/playlist.m3u8?${spanOf(startUs, startUs + 10 * SECOND)}`)
    const name = /media\/[\w.-]+/.exec(text)?.[0] ?? ''
    const [, count, at] = /#EXT-X-BYTERANGE:(\d+)@(\d+)/.exec(text) ?? []
    const cookie = await home.signIn()
    const ask = (range?: string) =>
      home.ask(`${AT}/${name}`, { headers: { cookie, ...(range === undefined ? {} : { range }) } })
    const whole = await ask()
    const size = Number(whole.headers.get('content-length'))
    assert.equal([whole.status, Number(at) + Number(count)], [200, size], 'up to the last durable fragment')
    const cases: [string, number, string | null][] = [
      ['bytes=0-0', 206, `bytes 0-0/${size}`],
      [`bytes=${at}-${Number(at) + Number(count) - 1}`, 206, `bytes ${at}-${size - 1}/${size}`],
      ['bytes=-1', 206, `bytes ${size - 1}-${size - 1}/${size}`],
      ['bytes=5-', 206, `bytes 5-${size - 1}/${size}`],
      ['bytes=0-999999999999999', 206, `bytes 0-${size - 1}/${size}`],
      [`bytes=${size}-`, 416, `bytes */${size}`],
      ['bytes=999999999999999-', 416, `bytes */${size}`],
      ['bytes=-0', 416, `bytes */${size}`],
      ['bytes=99999999999999999999-', 200, null],
      ['bytes=5-2', 200, null],
      ['bytes=0-1,3-4', 200, null],
      ['lines=0-1', 200, null],
      ['bytes=x-y', 200, null],
    ]
    for (const [range, status, contentRange] of cases) {
      const answer = await ask(range)
      assert.equal([answer.status, answer.headers.get('content-range')], [status, contentRange], range)
    }
    for (const wrong of [
      '0-0000000000000000-0.mp4',
      `${name.slice(6)}x`,
      'x',
      'zzzzzzzzzzz-0000000000000000-zzzzzzzzzzz.mp4',
    ]) {
      assert.is((await home.asOwner(`${AT}/media/${wrong}`)).status, 404, wrong)
    }
  })
})

ffmpegTest('media with other times: the same bytes but for these, whatever part is asked for', async () => {
  await withHome(async (home) => {
    const startUs = nowUs() - 600 * SECOND
    await film(home, startUs)
    const cookie = await home.signIn()
    const { text } = await home.asOwner(`${AT}/playlist.m3u8?${spanOf(startUs + SECOND, startUs + 6 * SECOND)}`)
    const [, name = '', start = ''] = /(media\/[\w.-]+)\?start=(\d+)&at=0\n/.exec(text) ?? []
    const ask = async (query: string, range?: string) => {
      const headers = { cookie, ...(range === undefined ? {} : { range }) }
      const response = await fetch(`http://127.0.0.1:${home.port}${AT}/${name}${query}`, { headers })
      return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) }
    }
    const [stored, moved] = [(await ask('')).bytes, (await ask(`?start=${start}&at=7000000`)).bytes]
    const changed = Array.from(stored.keys()).filter((at) => stored[at] !== moved[at])
    assert.is(moved.byteLength, stored.byteLength)
    assert.ok(
      changed.length > 0 && changed.length < 200 && (changed[0] ?? 0) > Number(start),
      `${changed.length} bytes`,
    )
    for (const at of [Number(start), changed[0] ?? 0, (changed[1] ?? 0) + 1, stored.byteLength - 40]) {
      const last = Math.min(at + 30_000, stored.byteLength - 1)
      const part = await ask(`?start=${start}&at=7000000`, `bytes=${at}-${last}`)
      assert.is(part.status, 206)
      assert.ok(part.bytes.equals(moved.subarray(at, last + 1)), `from ${at}`)
    }
    for (const wrong of ['start=1&at=0', `start=${start}&at=x`, 'start=9999999999999&at=0', `start=${start}&at=-1`]) {
      assert.is((await ask(`?${wrong}`)).status, 400, wrong)
    }
    assert.is((await home.asOwner(`${AT}/playlist.m3u8?${spanOf(startUs, nowUs())}&times=x`)).status, 400)
  })
})

test('absurd spans are refused, and say why', async () => {
  await withHome(async (home) => {
    const spans = [
      '',
      'from=1',
      'from=2&to=1',
      'from=1&to=1',
      'from=x&to=2',
      'from=-1&to=2',
      'from=1e3&to=2000',
      'from=0&to=999999999999999',
      'from=0&to=9007199254740993',
      'from=2026-05-01&to=2026-05-02',
      'from=1&from=2&to=3',
      'from=0&to=253402300799999',
    ]
    for (const what of ['timeline', 'playlist.m3u8', 'export', 'export.mp4']) {
      for (const span of spans) {
        const { status, text } = await home.asOwner(`${AT}/${what}?${span}`)
        assert.is(status, 400, `${what} ${span}: ${text}`)
        assert.match(text, /"code":"USAGE"/)
      }
    }
    for (const at of ['x', '-1', '1.5', 'NaN', '9'.repeat(30)])
      assert.is((await home.asOwner(`${AT}/still?at=${at}`)).status, 400)
    assert.is((await home.asOwner(`${AT}/playlist.m3u8?from=1&to=2`)).status, 404, 'no footage')
    assert.is((await home.asOwner(`${AT}/export?from=2026-05-01T00:00:00Z&to=2026-05-01T00:00:01Z`)).status, 404)
  })
})

test('the live playlist grows by numbers that only rise, and a reload that may block waits for the next one', async () => {
  await withHome(async (home) => {
    const startUs = nowUs() - 40 * SECOND
    assert.is((await home.asOwner(`${AT}/live.m3u8`)).status, 404, 'nothing yet')
    const seqs = Array.from({ length: 40 }, (_, seq) => seq)
    await Promise.all(seqs.map((seq) => home.store({ seq, wallUs: startUs + seq * SECOND })))
    const first = (await home.asOwner(`${AT}/live.m3u8`)).text
    const numberOf = (text: string) => Number(/#EXT-X-MEDIA-SEQUENCE:(\d+)/.exec(text)?.[1])
    const countOf = (text: string) => text.match(/#EXTINF/g)?.length ?? 0
    assert.ok(countOf(first) >= 29 && countOf(first) <= 32, first)
    assert.not.match(first, /ENDLIST/)
    const next = numberOf(first) + countOf(first)
    const held = home.asOwner(`${AT}/live.m3u8?_HLS_msn=${next}`)
    const early = await Promise.race([held, new Promise((resolve) => setTimeout(() => resolve('held'), 300))])
    assert.is(early, 'held')
    await home.store({ seq: 40, wallUs: startUs + 40 * SECOND })
    const second = (await held).text
    assert.is(numberOf(second) + countOf(second), next + 1)
    assert.is((await home.asOwner(`${AT}/live.m3u8?_HLS_msn=${next + 50}`)).status, 400)
    assert.is((await home.asOwner(`${AT}/live.m3u8?_HLS_msn=x`)).status, 400)
  })
})

test('whoever goes away in the middle of an export leaves nothing open', async () => {
  await withHome(async (home) => {
    const startUs = nowUs() - 600 * SECOND
    const fragment = sampleStream().fragments[0]
    const init = sampleStream().inits[0]?.bytes ?? new Uint8Array(0)
    assert.ok(fragment !== undefined && parseInit(init).tracks.length > 0)
    const payload = { init, fragment: fragment?.bytes ?? new Uint8Array(0) }
    const seqs = Array.from({ length: 200 }, (_, seq) => seq)
    await Promise.all(seqs.map((seq) => home.store({ seq, wallUs: startUs + seq * SECOND }, payload)))
    const cookie = await home.signIn()
    for (let times = 0; times < 8; times += 1) {
      await new Promise<void>((resolve, reject) => {
        const path = `${AT}/export.mp4?${spanOf(startUs, startUs + 300 * SECOND)}`
        const sent = get(
          { host: '127.0.0.1', port: home.port, path, headers: { cookie }, agent: false },
          (response) => {
            assert.is(response.statusCode, 200, `export ${times}`)
            response.once('data', () => response.destroy())
            response.once('close', resolve)
          },
        )
        sent.on('error', reject)
      })
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })
})

test('the timeline tells stored, lost and why, and leaves out what is not known', async () => {
  await withHome(async (home) => {
    const startUs = nowUs() - 3600 * SECOND
    for (let seq = 0; seq < 5; seq += 1) await home.store({ seq, wallUs: startUs + seq * SECOND })
    for (let seq = 8; seq < 10; seq += 1) await home.store({ seq, wallUs: startUs + seq * SECOND })
    const { spans } = (await home.asOwner(`${AT}/timeline?${spanOf(startUs, startUs + 60 * SECOND)}`)).json<Timeline>()
    const fromMs = startUs / 1000
    assert.equal(
      spans.filter(({ state }) => state === 'stored'),
      [
        { state: 'stored', fromMs, toMs: fromMs + 5000 },
        { state: 'stored', fromMs: fromMs + 8000, toMs: fromMs + 10_000 },
      ],
    )
  })
})

test('names: a camera is found by id, name and folder; rename and forget show at once', async () => {
  await withHome(async (home) => {
    type One = { id: string; name: string; state: string }
    const { cameras } = (await home.asOwner('/api/v1/cameras')).json<{ cameras: One[] }>()
    const id = cameras[0]?.id ?? ''
    assert.equal([cameras[0]?.name, cameras[0]?.state], ['Front door', 'never-seen'])
    for (const name of [id, 'Front%20door', 'Front-door']) {
      assert.is((await home.asOwner(`/api/v1/cameras/${name}`)).json<One>().id, id, name)
    }
    const renamed = await home.asOwner(AT, { method: 'PATCH', body: { name: 'Back door' } })
    assert.is(renamed.json<One>().name, 'Back door')
    assert.is((await home.asOwner(`/api/v1/cameras/${id}/forget`, { method: 'POST' })).json<One>().state, 'forgotten')
  })
})

test.run()
