import { all } from "./channels.js"
import type { Client } from "./client.js"
import type { Delivering } from "./delivery.js"
import type { Request, Result } from "./frames.js"

/** Between two questions whether a channel has caught up, in milliseconds. */
const pause = 100

/** Resolves when a client has caught up, see Client.ready. What it requests rejects when the client is closed. */
export async function ready(client: Client, session: Delivering, request: (request: Request) => Promise<Result>): Promise<void> {
  while (client.state === "connecting") await changed(client)
  if (client.state === "closed") await request({ type: "history", channel: "all" })
  if (!session._started || client.transport !== "websocket") return // a fallback cannot ask
  for (const { name } of all(session)) {
    const head = session._hello?.channels[name]?.seq
    for (;;) {
      const c = session._channels.get(name)
      if (!c?._agreed || (c._done ?? 0) >= (head ?? Infinity)) break
      // The head may have expired since it was announced, or do so before it comes: ask what is there.
      const newest = await request({ type: "history", channel: name, limit: 1 }).catch((thrown: unknown) => {
        if (client.state === "closed") throw thrown
      })
      if (newest && (c._done ?? 0) >= (newest.messages?.[0]?.seq ?? 0)) break
      await new Promise((resolve) => setTimeout(resolve, pause))
    }
  }
}

/** Resolves when the state has changed. */
function changed(client: Client): Promise<void> {
  return new Promise((resolve) => {
    const off = client.on("state", () => {
      off()
      resolve()
    })
  })
}
