import { makeBackoff } from "./backoff.js"
import { broken, mayReconnect, unauthorized } from "./codes.js"
import { endpoint } from "./endpoint.js"
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

  readonly #url: string
  readonly #protocols: readonly string[]
  readonly #token: Token | undefined
  readonly #backoff = makeBackoff()
  readonly #unwake = onWake(() => this.#retry && void this.#connect(), () => this.#socket?.close())

  #socket: WebSocket | undefined
  #state: 0 | 2 | 3 | undefined // while there is no socket to ask
  #closing = false
  #binaryType: BinaryType = "blob"
  #retry: ReturnType<typeof setTimeout> | undefined

  /**
   * Takes what `WebSocket` takes, and throws what it throws. A token, or a function
   * that gets one, travels as a subprotocol beside `wirepost.plain`.
   */
  constructor(url: string | URL, protocols: string | readonly string[] = [], options: { readonly token?: Token } = {}) {
    super()
    this.#protocols = [protocols].flat()
    this.#token = options.token
    if (typeof this.#token === "function") {
      const at = endpoint(url)
      if (!at || at.href.includes("#")) throw new DOMException(`bad URL ${url}`, "SyntaxError")
      this.#url = at.href
      void this.#connect()
    } else {
      this.#url = String(url)
      this.#url = this.#open(this.#token).url // which stays when the page's base changes
    }
  }

  get url(): string {
    return this.#url
  }

  get readyState(): number {
    return this.#state ?? this.#socket?.readyState ?? 0
  }

  get bufferedAmount(): number {
    return this.#socket?.bufferedAmount ?? 0
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
    if (this.readyState === 0) throw new DOMException("connecting", "InvalidStateError")
    this.#socket?.send(...data) // which discards it when it is closed, and counts it as buffered
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
      const token = await fresh(this.#token)
      if (!this.#closing) this.#open(token)
    } catch (thrown) {
      console.error("wirepost:", thrown)
      if (!this.#closing) this.#again()
    }
  }

  #open(token: string | undefined): WebSocket {
    const protocols = [...this.#protocols, ...(token ? ["wirepost.plain", `bearer.${token}`] : [])]
    const socket = new WebSocket(this.#url, protocols)
    let failed = false
    socket.binaryType = this.#binaryType
    socket.onopen = () => {
      this.#backoff._opened()
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
    this.#state = undefined
    return socket
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
