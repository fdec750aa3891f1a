import { broken } from "./codes.js"
import { isObject, parse, type Frame } from "./frames.js"
import { refusal, request } from "./refusal.js"
import type { Address, Sink, Transport } from "./transport.js"

/** How long the server may keep a poll waiting: below the usual timeouts of proxies. */
const longest = "25s"

/**
 * Connects by long poll. The next request acknowledges what the one before it
 * brought, so it waits until that is settled.
 */
export function openPoll(address: Address, sink: Sink): Transport {
  const { cursor } = address
  const abort = new AbortController()
  let resume = () => {}
  let first = true // its answer proves that polling works
  cursor.drop()

  async function run(): Promise<void> {
    while (!abort.signal.aborted) {
      const response = await request("poll", address, { after: cursor.value, wait: first ? "0" : longest, hello: first ? "1" : "" }, abort.signal)
      if (!response.ok) return sink.ended(await refusal(response))
      const answer: unknown = await response.json()
      if (abort.signal.aborted) return
      take(answer)
      first = false
      while (!cursor.idle) await new Promise<void>((settled) => (resume = settled))
    }
  }

  function take(answer: unknown): void {
    const next = isObject(answer) ? String(answer["cursor"]) : ""
    const list: unknown[] = isObject(answer) && Array.isArray(answer["messages"]) ? answer["messages"] : []
    const hello = isObject(answer) ? [answer["hello"]] : []
    const frames = [...hello, ...list].map((value) => parse(JSON.stringify(value))).filter((frame): frame is Frame => !!frame)
    // Only the answer as a whole has a cursor: it counts when the last is settled.
    for (const frame of frames) cursor.add("", frame)
    cursor.add(next, { type: "bye", code: 0, reason: "" })
    sink.heard()
    for (const frame of frames) sink.frame(frame)
  }

  run().catch((thrown) => {
    if (!abort.signal.aborted) sink.ended({ code: broken, reason: String(thrown) })
  })
  return {
    send: (command) => {
      if (command.type !== "ack") return
      cursor.settle(command.channel, command.seq)
      resume()
    },
    close: () => abort.abort(),
  }
}
