import { parse } from "./frames.js"
import type { Address, Sink, Transport } from "./transport.js"

/** Connects by WebSocket, speaking wirepost.v1. The token travels as a subprotocol, never in the URL. */
export function openSocket(address: Address, sink: Sink): Transport {
  const url = new URL(address.url)
  url.protocol = url.protocol.replace("http", "ws")
  const socket = new WebSocket(url, ["wirepost.v1", ...(address.token ? [`bearer.${address.token}`] : [])])
  socket.onmessage = (event) => {
    sink.heard()
    const frame = parse(event.data)
    if (frame) sink.frame(frame)
  }
  socket.onclose = (event) => sink.ended(event)
  return {
    send: (command) => socket.send(JSON.stringify(command)),
    close: () => {
      socket.onmessage = socket.onclose = null
      socket.close(1000)
    },
  }
}
