import { makeBackoff, type Backoff } from "./backoff.js"
import { broken, mayReconnect, unauthorized } from "./codes.js"
import { endpoint } from "./endpoint.js"
import { WirepostError } from "./errors.js"
import { fresh, type Token } from "./token.js"
import { onWake } from "./wake.js"

type Handler<E extends Event> = ((this: ReliableWebSocket, event: E) => unknown) | null

interface EventMap {
  open: Event
  message: MessageEvent
  error: Event
  close: CloseEvent
  reconnecting: Event
}

/** Where a ReliableWebSocket connects to: a function is called for each attempt. */
export type ReliableURL = string | URL | (() => string | URL | Promise<string | URL>)

/** Options of a ReliableWebSocket. */
export interface ReliableOptions {
  /** A token, or a function that gets one: sent as a subprotocol beside `wirepost.plain`. */
  token?: Token
  /** How long to wait before an attempt to connect. */
  backoff?: Backoff
  /** How many messages `send` keeps while there is no connection; default: 0, it throws InvalidStateError. */
  maxBufferedMessages?: number
  /** `send` throws QuotaExceededError when `bufferedAmount` would be more; default: 1 MiB if messages are kept, else no limit. */
  maxBufferedBytes?: number
}

// React Native has none: there only this class does not work.
const Target = globalThis.EventTarget ?? (Object as unknown as typeof EventTarget)

/**
 * The browser's `WebSocket`, except that it connects again when the connection
 * breaks, as the table of close codes allows. Everything else is the platform's:
 * arguments, exceptions, events and their order.
 *
 * While it connects again `readyState` is CONNECTING; `reconnecting` is emitted, and
 * `open` comes each time. `close` comes once, at the end. What was sent to a
 * connection that broke may be lost; use `connect` where that matters.
 */
export class ReliableWebSocket extends Target {
  static readonly CONNECTING = 0
  static readonly OPEN = 1
  static readonly CLOSING = 2
  static readonly CLOSED = 3
  readonly CONNECTING = 0
  readonly OPEN = 1
  readonly CLOSING = 2
  readonly CLOSED = 3

  declare onopen: Handler<Event>
  declare onmessage: Handler<MessageEvent>
  declare onerror: Handler<Event>
  declare onclose: Handler<CloseEvent>

  readonly #at: ReliableURL
  readonly #protocols: readonly string[]
  readonly #token: Token | undefined
  readonly #backoff: ReturnType<typeof makeBackoff>
  readonly #maxMessages: number
  readonly #maxBytes: number
  readonly #unwake = onWake(() => this.#retry && void this.#connect(), () => this.#socket?.close())

  #url = ""
  #socket: WebSocket | undefined
  #waiting: (string | Blob)[] = [] // for a connection
  #size = 0 // of what waits, in bytes
  #state: 0 | 2 | 3 | undefined // while there is no socket to ask
  #closing = false
  #binaryType: BinaryType = "blob"
  #retry: ReturnType<typeof setTimeout> | undefined

  /**
   * Takes what `WebSocket` takes, and throws what it throws.
   *
   * @throws WirepostError `bad_request` for an invalid option
   */
  constructor(url: ReliableURL, protocols: string | readonly string[] = [], { token, backoff, maxBufferedMessages = 0, maxBufferedBytes = maxBufferedMessages ? 2 ** 20 : Infinity }: ReliableOptions = {}) {
    const pauses = makeBackoff(backoff)
    if (!(maxBufferedMessages >= 0 && maxBufferedBytes >= 0)) throw new WirepostError("bad_request", `bad maxBuffered${maxBufferedMessages >= 0 ? "Bytes" : "Messages"}`)
    super()
    this.#at = url
    this.#protocols = [protocols].flat()
    this.#token = token
    this.#backoff = pauses
    this.#maxMessages = maxBufferedMessages
    this.#maxBytes = maxBufferedBytes
    if (typeof url === "function") void this.#connect()
    else if (typeof token === "function") {
      const at = endpoint(url)
      if (!at || at.href.includes("#")) throw new DOMException(`bad URL ${url}`, "SyntaxError")
      this.#url = at.href
      void this.#connect()
    } else {
      this.#open(url, token)
    }
  }

  get url(): string {
    return this.#url
  }

  get readyState(): number {
    return this.#state ?? this.#socket?.readyState ?? 0
  }

  get bufferedAmount(): number {
    return this.#size + (this.#socket?.bufferedAmount ?? 0)
  }

  get extensions(): string {
    return this.#socket?.extensions ?? ""
  }

  get protocol(): string {
    return this.#socket?.protocol ?? ""
  }

  get binaryType(): BinaryType {
    return this.#binaryType
  }

  set binaryType(type: BinaryType) {
    if (type !== "blob" && type !== "arraybuffer") return // as the platform ignores it
    this.#binaryType = type
    if (this.#socket) this.#socket.binaryType = type
  }

  send(...data: Parameters<WebSocket["send"]>): void {
    const state = this.readyState
    if (state === 0 && !this.#maxMessages) throw new DOMException("connecting", "InvalidStateError")
    if (state > 1 || this.#maxBytes === Infinity) return this.#socket?.send(...data) // which discards it when it is closed, and counts it as buffered
    const blob = new Blob(data as [string])
    if (this.bufferedAmount + blob.size > this.#maxBytes || this.#waiting.length + 1 - state > this.#maxMessages) {
      throw new DOMException("the send buffer is full", "QuotaExceededError")
    }
    if (state) return this.#socket!.send(...data)
    this.#waiting.push(typeof data[0] === "string" ? data[0] : blob) // a copy
    this.#size += blob.size
  }

  close(code?: number, reason?: string): void {
    this.#socket?.close(code, reason) // which also refuses bad arguments
    this.#closing = true
    this.#unwake()
    if (this.#state !== 0) return
    // There is no connection that could end, so it is one that failed.
    clearTimeout(this.#retry)
    this.#state = 2
    setTimeout(() => this.#end(true, { code: broken }))
  }

  async #connect(): Promise<void> {
    clearTimeout(this.#retry)
    this.#retry = undefined
    this.#state = 0
    try {
      const at = typeof this.#at === "function" ? await fresh(this.#at) : this.#url
      const token = await fresh(this.#token)
      if (!this.#closing) this.#open(at, token)
    } catch (thrown) {
      console.error("wirepost:", thrown)
      if (!this.#closing) this.#again()
    }
  }

  #open(at: string | URL, token: string | undefined): void {
    const protocols = [...this.#protocols, ...(token ? ["wirepost.plain", `bearer.${token}`] : [])]
    const socket = new WebSocket(at, protocols)
    let failed = false
    socket.binaryType = this.#binaryType
    socket.onopen = () => {
      this.#backoff._opened()
      for (const data of this.#waiting.splice(0)) socket.send(data)
      this.#size = 0
      this.dispatchEvent(new Event("open"))
    }
    socket.onmessage = (event) => this.dispatchEvent(new MessageEvent("message", event as object))
    socket.onerror = () => (failed = true)
    socket.onclose = (event) => {
      const refresh = event.code === unauthorized && typeof this.#token === "function"
      if (this.#closing || !(refresh || mayReconnect(event.code))) this.#end(failed, event)
      else this.#again()
    }
    this.#socket = socket
    this.#url = socket.url // which stays when the page's base changes
    this.#state = undefined
  }

  #again(): void {
    this.#state = 0
    this.#retry = setTimeout(() => void this.#connect(), this.#backoff._next())
    this.dispatchEvent(new Event("reconnecting"))
  }

  #end(failed: boolean, event: CloseEventInit): void {
    this.#unwake()
    this.#state = 3
    if (failed) this.dispatchEvent(new Event("error"))
    this.dispatchEvent(new CloseEvent("close", event))
  }
}

// The attributes onopen and so on: listeners that keep their turn when they are
// replaced. Not in a static block, which Safari 15 does not know.
for (const type of ["open", "message", "error", "close"]) {
  const handlers = new WeakMap<EventTarget, (event: Event) => unknown>()
  const handle = function (this: EventTarget, event: Event): void {
    handlers.get(this)?.call(this, event)
  }
  Object.defineProperty(ReliableWebSocket.prototype, `on${type}`, {
    configurable: true,
    enumerable: true,
    get(this: ReliableWebSocket) {
      return handlers.get(this) ?? null
    },
    set(this: ReliableWebSocket, handler: unknown) {
      if (typeof handler === "function") {
        handlers.set(this, handler as () => unknown)
        this.addEventListener(type, handle)
      } else {
        handlers.delete(this)
        this.removeEventListener(type, handle)
      }
    },
  })
}

/** The events with their types. */
export interface ReliableWebSocket {
  addEventListener<K extends keyof EventMap>(type: K, listener: (this: ReliableWebSocket, event: EventMap[K]) => unknown, options?: boolean | AddEventListenerOptions): void
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void
  removeEventListener<K extends keyof EventMap>(type: K, listener: (this: ReliableWebSocket, event: EventMap[K]) => unknown, options?: boolean | EventListenerOptions): void
  removeEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | EventListenerOptions): void
}
