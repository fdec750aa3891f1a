import type { Frame } from "./frames.js"
import type { Sink, Transport } from "./transport.js"

/** Connects by WebSocket, speaking wirepost.v1. The token travels as a subprotocol, never in the URL. */
export function openSocket(url: URL, token: string | undefined, sink: Sink): Transport {
  const socket = new WebSocket(url, ["wirepost.v1", ...(token ? [`bearer.${token}`] : [])])
  socket.onmessage = ({ data }) => {
    sink.heard()
    const frame = JSON.parse(data) as Frame | null
    if (frame) sink.frame(frame, data.length)
  }
  socket.onclose = (event) => sink.ended(event)
  return {
    send: (command) => socket.send(JSON.stringify(command)),
    close() {
      socket.onmessage = socket.onclose = null
      socket.close()
    },
  }
}
