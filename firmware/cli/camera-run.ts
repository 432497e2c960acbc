/** Starts the camera agent. */
import { CameraAgent, type CameraSettings } from '../camera/agent.ts'
import { cameraCommands } from '../camera/commands.ts'
import { RealClock } from '../platform/clock-real.ts'
import { keepHeapSmall } from '../platform/heap.ts'
import { realRandom } from '../platform/random.ts'
import { type CommonSettings, runProgram } from './agent-process.ts'

/** Until a signal; resolves with the exit status. */
export function runCamera(settings: CameraSettings & CommonSettings): Promise<number> {
  const stopCollecting = keepHeapSmall()
  return runProgram(settings, async (log) => {
    const agent = await CameraAgent.start(settings, { clock: new RealClock(), random: realRandom, log })
    return { commands: cameraCommands(agent), close: () => agent.close().finally(stopCollecting) }
  })
}
