import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type NatKind, natKind } from './nat.ts'

const HOME = { host: '192.168.1.10', port: 7441 }
const SEEN = { host: '203.0.113.7', port: 7441 }

test('what two ports of a server saw says what the NAT does', () => {
  const rows: [Parameters<typeof natKind>, NatKind][] = [
    [[SEEN, SEEN, [SEEN.host]], 'none'],
    [[SEEN, { ...SEEN, port: 9 }, [SEEN.host]], 'none'],
    [[SEEN, undefined, [SEEN.host]], 'none'],
    [[SEEN, SEEN, [HOME.host]], 'cone'],
    [[SEEN, { ...SEEN, port: 40_000 }, [HOME.host]], 'symmetric'],
    [[SEEN, { ...SEEN, host: '203.0.113.8' }, [HOME.host]], 'symmetric'],
    [[SEEN, undefined, [HOME.host]], 'unknown'],
  ]
  for (const [seen, kind] of rows) assert.is(natKind(...seen), kind)
})

test.run()
