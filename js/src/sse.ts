import { broken } from "./codes.js"
import type { Cursor } from "./cursor.js"
import type { Frame } from "./frames.js"
import { refuse, request } from "./request.js"
import type { Sink, Transport } from "./transport.js"

/**
 * Connects by Server-Sent Events, read with fetch: an EventSource could neither
 * send the token in a header, nor see why it was refused, nor show heartbeats.
 */
export function openStream(url: URL, token: string | undefined, sink: Sink, cursor: Cursor): Transport {
  const abort = new AbortController()

  async function run(): Promise<void> {
    const response = await request("sse", url, token, { hello: "1", last_event_id: cursor.value }, abort.signal)
    if (!response.ok || !response.body) return refuse(response, sink)
    const reader = response.body.getReader()
    const decoder = new TextDecoder() // TextDecoderStream is missing before Firefox 105
    let rest = ""
    let id = ""
    let data = ""
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return sink.ended({ code: broken, reason: "the stream ended" })
      sink.heard()
      const lines = (rest + decoder.decode(value, { stream: true })).split(/\r?\n/)
      rest = lines.pop() ?? ""
      for (const line of lines) {
        if (line.startsWith("id:")) id = line.slice(3).trim()
        else if (line.startsWith("data:")) data += line.slice(5)
        else if (!line && data) {
          const frame = JSON.parse(data) as Frame | null
          const size = data.length
          data = ""
          if (!frame || abort.signal.aborted) continue
          cursor.add(id, frame)
          sink.frame(frame, size, id)
        }
      }
    }
  }

  run().catch((thrown) => sink.ended({ code: broken, reason: String(thrown) }))
  return {
    send: (command) => command.type === "ack" && cursor.settle(command.channel, command.seq),
    close: () => abort.abort(),
  }
}
