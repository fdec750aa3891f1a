import { Cursor } from "./cursor.js"
import { openPoll } from "./poll.js"
import { openSocket, type WebSocketClass } from "./socket.js"
import { openStream } from "./sse.js"
import type { Sink, Transport, TransportName } from "./transport.js"

/** A WebSocket that was never greeted within this time has failed, in milliseconds. */
const patience = 10_000
/** The longest time between two trials, in milliseconds. */
const longest = 300_000

/** What a link has while no WebSocket comes through. */
export class Fallbacks {
  readonly #nodes: readonly URL[]
  readonly #socket: number // the choice to make when a WebSocket comes through; negative if none is wanted
  readonly #again: (choice?: number) => void
  readonly #Socket: WebSocketClass | undefined
  readonly #cursor = new Cursor()
  #trials = 0

  /**
   * @param nodes the URLs of the WebSocket endpoint: the first is in use
   * @param transports that are wanted
   * @param again connects anew, by that choice or the one before
   * @param cursor at which to begin
   * @param Socket to try
   */
  constructor(nodes: readonly URL[], transports: readonly TransportName[], again: (choice?: number) => void, cursor = "", Socket?: WebSocketClass) {
    this.#cursor.value = cursor
    this.#nodes = nodes
    this.#socket = transports.indexOf("websocket")
    this.#again = again
    this.#Socket = Socket
  }

  /** Opens a fallback, and from time to time tries whether a WebSocket comes through. */
  open(name: "sse" | "poll", url: URL, token: string | undefined, sink: Sink, channels: readonly string[]): Transport {
    const { searchParams } = url
    if (channels[0]) searchParams.set("channels", channels.join())
    // With a cursor there are no positions; a poll takes nothing else.
    if (name === "poll" || this.#cursor.value) searchParams.delete("after")
    this.#cursor.drop()
    let open = true
    const guard: Sink = {
      heard: () => open && sink.heard(),
      frame: (...args) => open && sink.frame(...args),
      ended: (info) => open && sink.ended(info),
    }
    const transport = (name === "sse" ? openStream : openPoll)(url, token, guard, this.#cursor)
    const end = this.#try(token)
    return {
      send: (command) => {
        const subscribing = command.type === "subscribe" || command.type === "unsubscribe"
        if (subscribing) this.#again() // with another list of channels
        else transport.send(command)
      },
      close: () => {
        open = false
        end()
        transport.close()
      },
    }
  }

  /** Tries WebSockets until the result is called. */
  #try(token: string | undefined): () => void {
    if (this.#socket < 0) return () => {}
    const through = () => this.#again(this.#socket)
    let timer: ReturnType<typeof setTimeout>
    let socket: Transport | undefined
    const end = () => {
      clearTimeout(timer)
      socket?.close()
      socket = undefined
    }
    const again = () => {
      end()
      timer = setTimeout(attempt, Math.min(1000 * 2 ** this.#trials++, longest))
    }
    const attempt = () => {
      timer = setTimeout(again, patience)
      try {
        // It greets. That is enough to know: the connection proper is made anew.
        socket = openSocket(this.#nodes[0]!, token, { heard: through, frame: () => {}, ended: again }, this.#Socket)
      } catch {
        // The token is none that a WebSocket can carry.
      }
    }
    again()
    return end
  }
}
