import { Channel, type Handler } from "./channel.js"
import { Emitter, guarded } from "./emitter.js"
import { asError, WirepostError } from "./errors.js"
import type { Entry, Frame, Gap, Hello, Json, Membership, Message, Place, Revoke } from "./frames.js"
import { randomId } from "./id.js"
import type { Down, Line, LineEvents } from "./line.js"
import { Link, type Token, type Wishes } from "./link.js"
import { checkName } from "./names.js"
import { json, payload } from "./payload.js"
import { Requests } from "./requests.js"
import { share } from "./shared.js"
import { keep, recall } from "./storage.js"
import type { TransportName } from "./transport.js"

/** What a client may be told. Everything has a default. */
export interface Options {
  /** A token, or a function that fetches one. Without: the cookie `wirepost_token`, or `?user=` in development. */
  token?: Token
  /**
   * The name of this device; default: a random one, kept in localStorage. Where
   * tokens are bound to a device it is that one's; "" leaves it to the token.
   */
  device?: string
  /** Channels to subscribe to from the beginning, for `on("message")`. */
  channels?: readonly string[]
  /**
   * One connection for all tabs that connect like this, with the same text if it is
   * one. Give the user's id where a browser may change users: the connection is of
   * the user whose token made it.
   */
  shared?: boolean | string
  /** What to try, in this order; default: all three. */
  transports?: readonly TransportName[]
}

/** The events of a client. */
export interface Events {
  /** A message of any channel. Handlers may be asynchronous: it is acknowledged when they are done. */
  message: Message
  /** Retention removed messages that this client never got: fetch the state anew. */
  gap: Gap
  /** A message was taken back. */
  revoke: Revoke
  /** The count of unread messages of a channel changed. */
  unread: { readonly channel: string; readonly unread: number }
  /** The backend, or a new token, began or ended a membership. */
  subscribed: Membership
  unsubscribed: Membership
  /** Connected, and each time anew. */
  open: Hello
  /** The way to the server changed. */
  transport: TransportName
  /** The connection broke; the next attempt follows by itself. */
  disconnect: Down
  /** The server has another store than before: sequences, and what depends on them, are void. */
  reset: Hello
  /** Something failed that does not end the client. */
  error: WirepostError
  /** The end: without an error after `close()`. */
  close: WirepostError | undefined
}

/** What a publish resulted in. */
export interface Published {
  readonly id: string
  readonly seq: number
  /** A message with this id was there already: nothing new was published. */
  readonly duplicate: boolean
}

/** A place in a channel that the application asked for. */
export interface Subscription {
  readonly channel: string
  /** Ends it. Without another subscription of this client the server is told. */
  unsubscribe(): void
}

/** How long acknowledgements are collected, in milliseconds. */
const lazy = 100
/** Half of the server's default window, in messages. */
const half = 128

/**
 * Connects to a server. The result is there at once and connects by itself, now and
 * whenever the connection breaks. Delivery begins with the first handler.
 *
 * @param url of the WebSocket endpoint, absolute or relative to the page
 * @throws WirepostError `bad_request` for a URL or an option that cannot be right
 */
export const connect = (url: string | URL, options: Options = {}): Client => new Client(url, options)

/** A connection to the user's messages. Made by `connect`. */
export class Client implements AsyncIterable<Message> {
  /** The name of this device. */
  readonly device: string

  #state: "connecting" | "open" | "closed" = "connecting"
  #transport: TransportName | undefined
  #hello: Hello | undefined
  #line: Line
  #flowing = false
  #late: Timer
  #unacknowledged = 0
  #places: Record<string, number> = {} // of channels, kept across reloads of the page
  #remembered = ""
  #store = ""
  readonly #emitter = new Emitter<Events>()
  readonly #channels = new Map<string, Channel>()
  readonly #requests = new Requests()
  readonly #joining = new Map<Channel, { promise: Promise<void>; done: (error?: WirepostError) => void }>()
  readonly #flush = () => this.#acknowledge()

  constructor(url: string | URL, options: Options) {
    const at = endpoint(url)
    this.device = options.device ?? ownDevice()
    if (this.device) checkName("device", this.device)
    for (const name of options.channels ?? []) this.#want(name).listed = true
    const transports = options.transports?.length ? options.transports : (["websocket", "sse", "poll"] as const)
    const link = { url: at, device: this.device, token: options.token, transports }
    const wishes: Wishes = {
      channels: () => [...this.#channels.values()].filter((c) => c.wanted).map((c) => c.name),
      position: (name) => this.#channels.get(name)?.received,
    }
    const events = this.#lineEvents()
    const line = (e: LineEvents, w: Wishes) => new Link(link, w, e)
    this.#line = (options.shared && share(`${at} ${this.device} ${options.shared}`, line, () => this.#snapshot(), events)) || line(events, wishes)
    globalThis.addEventListener?.("pagehide", this.#flush)
  }

  get state(): "connecting" | "open" | "closed" {
    return this.#state
  }

  /** How messages come; undefined before the first connection. */
  get transport(): TransportName | undefined {
    return this.#transport
  }

  /** Who the server takes this client for. */
  get user(): string | undefined {
    return this.#hello?.user
  }

  /** Calls a function for each event of a name; what it returns ends that. */
  on<K extends keyof Events>(name: K, listener: (event: Events[K]) => unknown): () => void {
    const off = this.#emitter.on(name, listener)
    if (name === "message") this.#flow()
    return off
  }

  /** The messages, one by one. A message is acknowledged when the next one is asked for. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Message, void, void> {
    const queue: { message: Message; done: () => void }[] = []
    let wake = () => {}
    const off = [
      this.#emitter.on("close", () => wake()),
      this.on("message", (message) => new Promise<void>((done) => (queue.push({ message, done }), wake()))),
    ]
    try {
      while (this.#state !== "closed") {
        const next = queue[0]
        if (next) {
          yield next.message
          queue.shift()?.done()
        } else await new Promise<void>((resolve) => (wake = resolve))
      }
    } finally {
      for (const end of off) end()
      for (const { done } of queue) done()
    }
  }

  /**
   * Subscribes to a channel, across reconnects and reloads of the page. The handler
   * gets its messages in order, one at a time; if it is asynchronous, the next
   * comes when it is done.
   *
   * Resolves when the server has agreed, and rejects with `forbidden` and the like.
   */
  async subscribe(channel: string, handler: Handler): Promise<Subscription> {
    this.#check()
    const c = this.#want(channel)
    c.handlers.add(handler)
    this.#flow()
    const unsubscribe = () => void (c.handlers.delete(handler) && this.#leave(c))
    try {
      await this.#join(c)
    } catch (thrown) {
      unsubscribe()
      throw thrown
    }
    return { channel, unsubscribe }
  }

  /**
   * Publishes a JSON value, a text (with a `contentType` like `text/plain`) or bytes.
   * While there is no connection it waits, among at most 256 requests, and is sent
   * once more if the connection breaks before the answer: its id lets the server
   * store it once.
   */
  async publish(to: string, data: Json | Uint8Array | ArrayBuffer, options: { id?: string; key?: string; contentType?: string } = {}): Promise<Published> {
    this.#check(true)
    checkName("channel", to)
    const { id = randomId(), key, contentType } = options
    const ok = await this.#requests.add({
      type: "publish", to, id, ...payload(data, contentType), ...(key && { key }), ...(contentType && { content_type: contentType }),
    })
    if (ok.type !== "ok") throw new WirepostError("internal", "a publish was answered like a call")
    return { id: ok.id ?? id, seq: ok.seq ?? 0, duplicate: !!ok.duplicate }
  }

  /** Calls a method of the application behind the server. A call that was sent is not repeated. */
  async call(method: string, data: Json = null): Promise<Json> {
    this.#check(true)
    const reply = await this.#requests.add({ type: "call", method: String(method), data: json(data) })
    return reply.type === "reply" ? reply.data : null
  }

  /** The user has read this message and everything before it in its channel. All devices are told. */
  async read({ channel, seq }: Pick<Message, "channel" | "seq">): Promise<void> {
    this.#check(true)
    checkName("channel", channel)
    if (!Number.isSafeInteger(seq) || seq < 0) throw new WirepostError("bad_request", `${seq} is no sequence`)
    if (seq > (this.#channels.get(channel)?.read ?? -1)) await this.#requests.add({ type: "read", channel, seq })
  }

  /** How many messages of a channel are unread; default: of the inbox. Only memberships are counted. */
  unread(channel = `user:${this.user}`): number {
    return this.#channels.get(channel)?.unread ?? 0
  }

  /** Ends the client. Requests that wait are rejected with `closed`. */
  close(): void {
    if (this.#state === "closed") return
    this.#acknowledge()
    this.#line.close()
    this.#end(undefined)
  }

  #check(upstream = false): void {
    if (this.#state === "closed") throw new WirepostError("closed", "the client is closed")
    if (upstream && this.#state === "open" && this.#transport !== "websocket") throw this.#receivesOnly()
  }

  #receivesOnly(): WirepostError {
    return new WirepostError("unavailable", `nothing can be sent while messages come by ${this.#transport}`)
  }

  #lineEvents(): LineEvents {
    return {
      up: (hello, transport, placed) => this.#up(hello, transport, placed),
      frame: (frame) => this.#frame(frame),
      down: (reason) => this.#down(reason),
      failed: (error) => {
        this.#emitter.emit("error", error)
        if (error.code === "forbidden") this.#refused(error)
      },
      ended: (error) => this.#end(error),
    }
  }

  #up(hello: Hello, transport: TransportName, placed: readonly string[]): void {
    const before = this.#hello
    const moved = transport !== this.#transport
    const other = before && (hello.epoch !== before.epoch || hello.user !== before.user)
    this.#hello = hello
    this.#transport = transport
    this.#state = "open"
    if (other) for (const c of this.#channels.values()) c.forget()
    if (!before || other) this.#restore(hello)
    for (const c of this.#channels.values()) c.disconnected()
    for (const [name, place] of Object.entries(hello.channels)) this.#begin(name, place, placed)
    for (const c of this.#channels.values()) if (c.wanted && !c.agreed) this.#ask(c)
    this.#acknowledge()
    if (transport === "websocket") this.#requests.open((command) => this.#line.send(command))
    else this.#requests.fail(this.#receivesOnly())
    if (moved) this.#emitter.emit("transport", transport)
    if (other) this.#emitter.emit("reset", hello)
    this.#emitter.emit("open", hello)
  }

  /** Takes up a channel that the connection has from its start. */
  #begin(name: string, place: Place, placed: readonly string[]): void {
    const c = this.#channel(name)
    c.agreed = true
    // Where the URL asks for channels, those are in the list too, and nothing is counted.
    if (this.#transport === "websocket" || !c.wanted) {
      this.#counted(c, () => c.place(place))
      this.#requests.read({ channel: name, read: place.read })
    }
    this.#joining.get(c)?.done()
    // The device's place may be ahead of this page's: other tabs move it too.
    const behind = c.received !== undefined && c.received < place.seq
    if (behind && !placed.includes(name) && this.#transport === "websocket") this.#ask(c)
  }

  #down(reason: Down): void {
    this.#state = "connecting"
    for (const c of this.#channels.values()) c.disconnected()
    this.#requests.lost()
    this.#emitter.emit("disconnect", reason)
  }

  #end(error: WirepostError | undefined): void {
    this.#state = "closed"
    clearTimeout(this.#late)
    globalThis.removeEventListener?.("pagehide", this.#flush)
    const why = error ?? new WirepostError("closed", "the client was closed")
    this.#requests.fail(why)
    for (const { done } of this.#joining.values()) done(why)
    this.#emitter.emit("close", error)
  }

  #frame(frame: Frame): void {
    switch (frame.type) {
      case "message":
      case "revoke":
      case "gap":
        return this.#take(frame)
      case "state": {
        const c = this.#channel(frame.channel)
        c.read = frame.read
        this.#requests.read(frame)
        return this.#counted(c, () => (c.unread = frame.unread))
      }
      case "subscribed":
      case "unsubscribed": {
        const c = this.#channel(frame.channel)
        c.member = c.agreed = frame.type === "subscribed"
        this.#counted(c, () => (c.unread = 0))
        this.#emitter.emit(frame.type, frame)
        if (c.wanted && !c.agreed) this.#ask(c)
        return
      }
      case "ok":
      case "reply":
      case "error": {
        const error = this.#requests.answer(frame)
        if (error) this.#emitter.emit("error", error)
      }
    }
  }

  #take(entry: Entry): void {
    const c = this.#channel(entry.channel)
    if (c.held) c.held.push(entry)
    else this.#counted(c, () => c.take(entry) && this.#run(c))
  }

  #counted(c: Channel, change: () => unknown): void {
    const before = c.unread
    change()
    if (c.unread !== before) this.#emitter.emit("unread", { channel: c.name, unread: c.unread })
  }

  /** Lets messages through: before the first handler there is nobody to handle them. */
  #flow(): void {
    this.#flowing = true
    for (const c of this.#channels.values()) this.#run(c)
  }

  #run(c: Channel): void {
    if (this.#flowing) void c.run(this.#deliver, this.#acknowledgeLater)
  }

  readonly #deliver = async (c: Channel, entry: Entry): Promise<void> => {
    if (entry.type !== "message") return this.#emitter.emit(entry.type, entry as Gap & Revoke)
    const handlers = [...c.handlers, ...this.#emitter.listeners("message")]
    await Promise.all(handlers.map((handler) => guarded(handler, entry)))
  }

  readonly #acknowledgeLater = (): void => {
    if (++this.#unacknowledged >= half) this.#acknowledge()
    else this.#late ??= setTimeout(this.#flush, lazy)
  }

  #acknowledge(): void {
    clearTimeout(this.#late)
    this.#late = undefined
    this.#unacknowledged = 0
    if (this.#state !== "open") return
    for (const c of this.#channels.values()) {
      if (c.settled <= c.acknowledged) continue
      c.acknowledged = c.settled
      if (c.agreed) this.#line.send({ type: "ack", channel: c.name, seq: c.settled })
    }
    this.#remember()
  }

  #channel(name: string): Channel {
    let c = this.#channels.get(name)
    if (!c) this.#channels.set(name, (c = new Channel(name)))
    return c
  }

  #want(name: string): Channel {
    checkName("channel", name)
    const c = this.#channel(name)
    c.wanted = true
    return c
  }

  /** Has the server agree to a channel that the application asked for. */
  #join(c: Channel): Promise<void> {
    if (c.agreed) return Promise.resolve()
    const joining = this.#joining.get(c)
    if (joining) return joining.promise
    let done: (error?: WirepostError) => void = () => {}
    const promise = new Promise<void>((resolve, reject) => {
      done = (error) => {
        this.#joining.delete(c)
        if (error) reject(error)
        else resolve()
      }
    })
    this.#joining.set(c, { promise, done })
    if (this.#state === "open") this.#ask(c)
    return promise
  }

  #leave(c: Channel): void {
    if (c.handlers.size || c.listed || !c.wanted) return
    c.wanted = false
    if (!c.agreed || c.member) return
    c.agreed = false
    c.forget()
    delete this.#places[c.name]
    const request = { type: "unsubscribe", channel: c.name } as const
    if (this.#transport === "websocket") this.#requests.add(request).catch(() => {}) // it is gone already
    else this.#line.send(request)
  }

  /** Asks for a subscription, or for one to go on where this page is. */
  #ask(c: Channel): void {
    const hello = this.#hello
    if (!c.member) c.received ??= this.#places[c.name]
    const after = c.received
    const request = { type: "subscribe", channel: c.name, ...(after !== undefined && { after }) } as const
    if (this.#transport !== "websocket") return this.#line.send(request)
    if (after !== undefined) c.held = []
    const current = () => this.#state === "open" && hello === this.#hello
    this.#requests.add(request).then(
      (ok) => {
        if (!current()) return
        c.agreed = true
        c.held = undefined // it comes again, from the right place
        if (ok.type === "ok") c.received ??= ok.seq
        this.#joining.get(c)?.done()
      },
      (thrown) => current() && this.#declined(c, asError(thrown, "internal")),
    )
  }

  #declined(c: Channel, error: WirepostError): void {
    const { held = [] } = c
    c.held = undefined
    for (const entry of held) this.#take(entry)
    const joining = this.#joining.get(c)
    if (joining) joining.done(error)
    else if (c.wanted) this.#emitter.emit("error", error)
  }

  /** A fallback was refused: what was not agreed on before is to blame, else all that was asked for. */
  #refused(error: WirepostError): void {
    const wanted = [...this.#channels.values()].filter((c) => c.wanted)
    const fresh = wanted.filter((c) => this.#joining.has(c))
    for (const c of fresh.length ? fresh : wanted) {
      c.wanted = false
      this.#joining.get(c)?.done(error)
    }
  }

  /** Where the channels stand that the server keeps no place for. */
  #remember(): void {
    for (const c of this.#channels.values()) {
      if (c.wanted && !c.member && c.settled) this.#places[c.name] = c.settled
    }
    const text = JSON.stringify(this.#places)
    if (text !== this.#remembered) keep("sessionStorage", this.#store, (this.#remembered = text))
  }

  #restore({ epoch, user }: Hello): void {
    this.#store = `wirepost:${epoch} ${user}`
    try {
      this.#places = JSON.parse((this.#remembered = recall("sessionStorage", this.#store) ?? "{}")) as Record<string, number>
    } catch {
      this.#places = {} // somebody else has written there
    }
  }

  /** What a tab that joins the connection now is to know. */
  #snapshot(): Record<string, Place> {
    const members = [...this.#channels.values()].filter((c) => c.member)
    return Object.fromEntries(members.map((c) => [c.name, { seq: Math.max(c.counted, c.received ?? 0), oldest: 0, read: c.read, unread: c.unread, resumed: true }]))
  }
}

type Timer = ReturnType<typeof setTimeout> | undefined

/** The WebSocket endpoint as an http: or https: URL. */
function endpoint(url: string | URL): URL {
  let at: URL
  try {
    at = new URL(url, globalThis.location?.href)
  } catch {
    throw new WirepostError("bad_request", `${JSON.stringify(url)} is no URL`)
  }
  if (!/^(ws|http)s?:$/.test(at.protocol)) throw new WirepostError("bad_request", `no connection goes to ${at.protocol} URLs: ${at}`)
  at.protocol = at.protocol.replace("ws", "http")
  at.hash = ""
  return at
}

/** The name of this browser, which stays. */
function ownDevice(): string {
  const name = recall("localStorage", "wirepost:device") ?? randomId()
  keep("localStorage", "wirepost:device", name)
  return name
}
