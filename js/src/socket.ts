import { broken } from "./codes.js"
import type { Frame } from "./frames.js"
import type { Sink, Transport } from "./transport.js"

/** Connects by WebSocket, speaking wirepost.v1. The token travels as a subprotocol, never in the URL. */
export function openSocket(url: URL, token: string | undefined, sink: Sink): Transport {
  const socket = new WebSocket(url, ["wirepost.v1", ...(token ? [`bearer.${token}`] : [])])
  let greeted = false
  socket.onmessage = ({ data }) => {
    greeted = true
    sink.heard()
    const frame = JSON.parse(data) as Frame | null
    if (frame) sink.frame(frame, data.length)
  }
  // Before its first frame it is not the server that closes, but something in between.
  socket.onclose = ({ code, reason }) => sink.ended({ code: greeted || code >= 4000 ? code : broken, reason })
  return {
    send: (command) => socket.send(JSON.stringify(command)),
    close() {
      socket.onmessage = socket.onclose = null
      socket.close()
    },
  }
}
