import { broken } from "./codes.js"
import { parse } from "./frames.js"
import { refusal, request } from "./refusal.js"
import type { Address, Sink, Transport } from "./transport.js"

/**
 * Connects by Server-Sent Events, read with fetch: an EventSource could neither
 * send the token in a header, nor tell why it was refused, nor show heartbeats.
 */
export function openStream(address: Address, sink: Sink): Transport {
  const { cursor } = address
  const abort = new AbortController()
  cursor.drop()

  async function run(): Promise<void> {
    const response = await request("sse", address, { hello: "1", last_event_id: cursor.value }, abort.signal)
    if (!response.ok || !response.body) return sink.ended(await refusal(response))
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    let rest = ""
    let id = ""
    let data = ""
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return sink.ended({ code: broken, reason: "the stream ended" })
      sink.heard()
      const lines = (rest + value).split(/\r?\n/)
      rest = lines.pop() ?? ""
      for (const line of lines) {
        if (line.startsWith("id:")) id = line.slice(3).trim()
        else if (line.startsWith("data:")) data += line.slice(5)
        else if (!line && data) {
          const frame = parse(data)
          data = ""
          if (!frame || abort.signal.aborted) continue
          cursor.add(id, frame)
          sink.frame(frame)
        }
      }
    }
  }

  run().catch((thrown) => {
    if (!abort.signal.aborted) sink.ended({ code: broken, reason: String(thrown) })
  })
  return {
    send: (command) => command.type === "ack" && cursor.settle(command.channel, command.seq),
    close: () => abort.abort(),
  }
}
