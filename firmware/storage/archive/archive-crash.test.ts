// time-out: 1800 s
/**
 * Power cuts at every moment of seeded lives of an archive (archive-life-fixture.ts). `HOMEWARD_CUTS` and `HOMEWARD_CUT`:
 * see crash-cuts-fixture.ts.
 */
import { test } from 'uvu'
import { explore } from '../../platform/crash-cuts-fixture.ts'
import { checkDisk } from './archive-life-check-fixture.ts'
import { copyScene, liveOnDisk } from './archive-life-fixture.ts'

const SAMPLE = 240

test('the power goes at any write or sync of the storage disk: nothing answered for is lost, nothing is made up', async () => {
  await explore({
    kind: 'archive',
    sample: SAMPLE,
    run: liveOnDisk,
    check: checkDisk,
    fork: copyScene,
  })
})

test.run()
