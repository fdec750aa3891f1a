import { broken } from "./codes.js"
import type { Cursor } from "./cursor.js"
import type { Frame } from "./frames.js"
import { refuse, request } from "./request.js"
import type { Sink, Transport } from "./transport.js"

/** How long the server may keep a poll waiting: below the usual timeouts of proxies. */
const longest = "25s"

interface Batch {
  readonly cursor?: string
  readonly hello?: Frame
  readonly messages?: readonly Frame[]
}

/**
 * Connects by long poll. The next request acknowledges what the one before it
 * brought, so it waits until that is settled.
 */
export function openPoll(url: URL, token: string | undefined, sink: Sink, cursor: Cursor): Transport {
  const abort = new AbortController()
  let resume = () => {}
  let first = true // its response proves that polling works

  async function run(): Promise<void> {
    while (!abort.signal.aborted) {
      const response = await request("poll", url, token, { after: cursor.value, wait: first ? "0" : longest, hello: first ? "1" : "" }, abort.signal)
      if (!response.ok) return refuse(response, sink)
      const batch = (await response.json()) as Batch
      if (abort.signal.aborted) return
      take(batch)
      first = false
      while (!cursor.idle) await new Promise<void>((settled) => (resume = settled))
    }
  }

  function take({ cursor: next = "", hello, messages = [] }: Batch): void {
    const frames = hello ? [hello, ...messages] : messages
    // Only the response as a whole has a cursor: it counts when the last is settled.
    for (const frame of frames) cursor.add("", frame)
    cursor.add(next)
    sink.heard()
    for (const frame of frames) sink.frame(frame, 0, frame === frames[frames.length - 1] ? next : "")
  }

  run().catch((thrown) => sink.ended({ code: broken, reason: String(thrown) }))
  return {
    send(command) {
      if (command.type !== "ack") return
      cursor.settle(command.channel, command.seq)
      resume()
    },
    close: () => abort.abort(),
  }
}
