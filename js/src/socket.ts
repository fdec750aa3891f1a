import { broken } from "./codes.js"
import type { Frame } from "./frames.js"
import type { CloseInfo, Sink, Transport } from "./transport.js"

/**
 * What is used of a WebSocket, so that those of all platforms and packages fit. The events
 * that handlers take are the platform's own.
 */
export type WebSocketClass = new (url: string, protocols: string[]) => {
  onmessage: ((event: never) => void) | null
  onclose: ((event: never) => void) | null
  onerror: ((event: never) => void) | null
  send(data: string): void
  close(): void
}

/** Connects by WebSocket, speaking wirepost.v1. The token travels as a subprotocol, never in the URL. */
export function openSocket(url: URL, token: string | undefined, sink: Sink, Socket: WebSocketClass = WebSocket): Transport {
  const socket = new Socket(url.href, ["wirepost.v1", ...(token ? [`bearer.${token}`] : [])])
  let greeted = false
  socket.onmessage = ({ data }: MessageEvent<string>) => {
    greeted = true
    sink.heard()
    const frame = JSON.parse(data) as Frame | null
    if (frame) sink.frame(frame, data.length)
  }
  socket.onerror = () => {} // onclose follows; without a listener, package ws would throw
  // Before its first frame it is not the server that closes, but something in between.
  socket.onclose = ({ code, reason }: CloseInfo) => sink.ended({ code: greeted || code >= 4000 ? code : broken, reason })
  return {
    send: (command) => socket.send(JSON.stringify(command)),
    close() {
      socket.onmessage = socket.onclose = null
      socket.close()
    },
  }
}
