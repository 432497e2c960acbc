// time-out: 1200 s
/**
 * Power cuts at every moment of seeded lives of a camera and its card (ring-life-fixture.ts). `HOMEWARD_CUTS` and
 * `HOMEWARD_CUT`: see crash-cuts-fixture.ts.
 */
import { test } from 'uvu'
import { explore } from '../../platform/crash-cuts-fixture.ts'
import { checkCard, copyScene, liveOnCard } from './ring-life-fixture.ts'

test('the power goes at any write or sync of a card: nothing promised is lost, nothing else is taken for footage', async () => {
  await explore({
    kind: 'ring',
    sample: 400,
    run: liveOnCard,
    check: checkCard,
    fork: copyScene,
  })
})

test.run()
