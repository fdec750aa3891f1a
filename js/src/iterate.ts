import type { Client } from "./client.js"
import type { Message } from "./frames.js"

/** Gives a client's messages one by one, until it is closed. */
export async function* iterate(client: Client): AsyncGenerator<Message, void, void> {
  const queue: [Message, done: () => void][] = []
  let wake = () => {}
  const off = [
    client.on("close", () => wake()),
    client.on("message", (message) => new Promise<void>((done) => (queue.push([message, done]), wake()))),
  ]
  try {
    while (client.state !== "closed") {
      if (queue[0]) {
        yield queue[0][0]
        queue.shift()?.[1]()
      } else await new Promise<void>((resolve) => (wake = resolve))
    }
  } finally {
    for (const end of off) end()
    for (const [, done] of queue) done()
  }
}
