import type { makeBackoff } from "./backoff.js"
import type { Client } from "./client.js"
import { closed, wording } from "./errors.js"

/** Does something until it succeeds, with pauses; rejects when the client is closed. */
export async function until<T>(client: { _state: Client["state"] }, attempt: () => T | Promise<T>, pauses: ReturnType<typeof makeBackoff>, failed: (message: string) => void): Promise<T> {
  while (client._state !== "closed") {
    try {
      return await attempt()
    } catch (thrown) {
      failed(wording(thrown))
      await new Promise((resolve) => setTimeout(resolve, pauses._next()))
    }
  }
  throw closed()
}
