import type { Client } from "./client.js"
import type { Request, Result } from "./frames.js"

/** Between two questions whether a channel has caught up, in milliseconds. */
const pause = 100

/** How far a channel is. */
export interface Progress {
  readonly name: string
  /** Handlers are done with everything up to here. */
  readonly done: number
  /** As the server said at the beginning of the connection. */
  readonly head: number | undefined
}

/** Resolves when a client has caught up, see Client.ready. What it requests rejects when the client is closed. */
export async function ready(client: Client, progress: () => readonly Progress[], request: (request: Request) => Promise<Result>): Promise<void> {
  while (client.state === "connecting") await changed(client)
  if (client.state === "closed") await request({ type: "history", channel: "all" })
  for (const { name, head = Infinity } of progress()) {
    const isDone = (seq = 0) => (progress().find((c) => c.name === name)?.done ?? Infinity) >= seq
    // A fallback cannot ask.
    while (client.transport === "websocket" && !isDone(head)) {
      // The head may have expired since it was announced, or do so before it comes: ask what is there.
      const newest = await request({ type: "history", channel: name, limit: 1 }).catch((thrown: unknown) => {
        if (client.state === "closed") throw thrown
      })
      if (newest && isDone(newest.messages?.[0]?.seq)) break
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
