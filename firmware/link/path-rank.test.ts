import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isBetter, PATHS, rankOf } from './path-rank.ts'

test('a LAN before a hole before a relay, and UDP before TLS', () => {
  assert.equal([...PATHS], ['lan', 'punched', 'relay-udp', 'relay-tls'])
  assert.equal(PATHS.map(rankOf), [0, 1, 2, 3])
})

test('better is a strict order, and any path is better than none', () => {
  for (const [rank, path] of PATHS.entries()) {
    assert.ok(isBetter(path, undefined), path)
    for (const [other, than] of PATHS.entries()) assert.is(isBetter(path, than), rank < other, `${path} than ${than}`)
  }
})

test.run()
