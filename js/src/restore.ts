import type { makeBackoff } from "./backoff.js"
import type { Options, Restored } from "./client.js"
import { wording } from "./errors.js"
import type { Gap } from "./frames.js"
import type { Session } from "./session.js"

/**
 * Gets the state after a gap from the application, until it succeeds or the client is
 * closed, and delivers it: later messages of the channel wait.
 */
export async function restore(session: Session, getState: NonNullable<Options["getState"]>, gap: Gap, pauses: ReturnType<typeof makeBackoff>, failed: (message: string) => void): Promise<Restored | undefined> {
  while (session._state !== "closed") {
    try {
      const restored = { ...(await getState(gap)), channel: gap.channel, gap }
      await Promise.all(session._listeners("restored").map((listener) => session._call(listener, restored)))
      return restored
    } catch (thrown) {
      failed(`getState: ${wording(thrown)}`)
      await new Promise((resolve) => setTimeout(resolve, pauses._next()))
    }
  }
  return undefined
}
