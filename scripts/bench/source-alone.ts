/** The fake source without a camera behind it, as a process of its own: what it costs is no part of the camera. */
import { FakeEncoder } from '../../firmware/camera/encoder/fake-encoder.ts'
import { createEncoder, parseSource } from '../../firmware/camera/encoder/source.ts'
import { RealClock } from '../../firmware/platform/clock-real.ts'
import { realRandom } from '../../firmware/platform/random.ts'

const encoder = createEncoder(parseSource(process.argv[2] ?? 'fake'), { clock: new RealClock(), random: realRandom })
if (!(encoder instanceof FakeEncoder)) throw new Error('expected a fake source')
const before = process.cpuUsage()
await encoder.run({ chunk: () => undefined }, new AbortController().signal)
const { user, system } = process.cpuUsage(before)
process.stdout.write(`${(user + system) / 1000}\n`)
