// time-out: 1800 s
/**
 * Power cuts at every moment of a camera and its storage device together: of one, of the other, of both. `HOMEWARD_CUTS` and
 * `HOMEWARD_CUT`: see crash-cuts-fixture.ts.
 */
import { test } from 'uvu'
import { explore } from '../platform/crash-cuts-fixture.ts'
import { checkHome, copyScene, liveAtHome } from './both-sides-fixture.ts'

const SAMPLE = 60

test('the power goes on either side or on both: all that was safe arrives, once and exact, and no number is unaccounted for', async () => {
  await explore({
    kind: 'both',
    sample: SAMPLE,
    run: liveAtHome,
    check: checkHome,
    fork: copyScene,
  })
})

test.run()
