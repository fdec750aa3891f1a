import { Channel } from "./channel.js"
import type { Client, Events, Options } from "./client.js"
import { emitter, guarded } from "./emitter.js"
import { endpoint } from "./endpoint.js"
import { WirepostError, wording, type ErrorCode } from "./errors.js"
import type { Entry, Frame, Gap, Hello, Place, Revoke } from "./frames.js"
import { randomId } from "./id.js"
import type { Down, Line, Owner } from "./line.js"
import { openLink } from "./link.js"
import { more } from "./more.js"
import { checkName } from "./names.js"
import { json, payload } from "./payload.js"
import { openRequests } from "./requests.js"
import { keep, recall } from "./storage.js"
import type { TransportName } from "./transport.js"
import { onWake } from "./wake.js"

/** How long acknowledgements are collected, in milliseconds. */
const lazy = 100
/** What may come before acknowledgements are sent at once, in characters of up to three bytes: a quarter of the server's default window. */
const enough = 2 ** 18
/** What a message counts besides its characters: 128 of them, half a window, are enough. */
const overhead = 2 ** 11

/**
 * Connects to a server. The result is there at once and connects by itself, now and
 * whenever the connection breaks. Delivery begins with the first handler.
 *
 * @param url of the WebSocket endpoint, absolute or relative to the page
 * @throws WirepostError `bad_request` for a URL or an option that cannot be right
 */
export function connect(url: string | URL, { device = ownDevice(), channels: listed = [], shared, token, transports = ["websocket", "sse", "poll"] }: Options = {}): Client {
  const { on, _emit: emit, _listeners: listeners } = emitter<Events>()
  const requests = openRequests()
  const channels = new Map<string, Channel>()
  let state: Client["state"] = "connecting"
  let way: TransportName | undefined
  let greeting: Hello | undefined
  let line: Line | undefined // once it is known how to connect
  let flowing = false
  let late: ReturnType<typeof setTimeout> | undefined
  let size = 0 // of what came since the last acknowledgement
  let places: Record<string, unknown> = {} // of channels, kept across reloads of the page
  let store = ""

  const at = endpoint(url)
  if (!at) throw new WirepostError("bad_request", `bad URL ${url}`)
  at.hash = ""
  if (device) {
    checkName("device", device)
    at.searchParams.set("device", device)
  }
  for (const name of listed) want(name)._handlers.add(() => {}) // one that stays
  const unwake = onWake(acknowledge, acknowledge)
  void begin(at)

  /** Opens a line of its own, or joins that of all tabs, where that is possible. */
  async function begin(url: URL): Promise<void> {
    const open = (owner: Owner) => openLink(url, token, transports, owner)
    const owner: Owner = {
      channels: () => wanted().map((c) => c.name),
      position: (name) => channels.get(name)?._received,
      up,
      frame,
      down,
      failed,
      ended: (code, message) => end(new WirepostError(code, message)),
    }
    let join
    try {
      if (shared) join = (await more()).share
    } catch (thrown) {
      failed("unavailable", wording(thrown)) // and this tab has its own
    }
    if (state !== "closed") line = join?.(`${url} ${shared}`, open, channels, owner) ?? open(owner)
  }

  function up(hello: Hello, transport: TransportName, placed: readonly string[]): void {
    const before = greeting
    const moved = transport !== way
    const other = before && (hello.epoch !== before.epoch || hello.user !== before.user)
    const known = all()
    greeting = hello
    way = transport
    state = "open"
    if (other) {
      for (const c of known) c._forget()
      requests._read("", Infinity) // what was read there is nothing here
    }
    if (!before || other) {
      store = `wirepost:${hello.epoch} ${hello.user}`
      places = Object(recall("sessionStorage", store)) as typeof places
    }
    for (const c of known) c._disconnected()
    if (way === "websocket") requests._open((command) => line?.send(command))
    else requests._refuse(new WirepostError("unavailable", `cannot send by ${way}`))
    for (const name in hello.channels) agreed(name, hello.channels[name]!, placed)
    for (const c of wanted()) if (!c._agreed) ask(c)
    acknowledge()
    if (moved) emit("transport", transport)
    if (other) emit("reset", hello)
    emit("open", hello)
  }

  /** Takes up a channel that the connection has from its start. */
  function agreed(name: string, place: Place, placed: readonly string[]): void {
    const c = channel(name)
    c._agreed = true
    // Where the URL asks for channels, those are in the list too, and nothing is counted.
    if (way === "websocket" || !c._wanted) {
      c.member = true
      counted(c, () => c._count(place))
      requests._read(name, place.read)
    }
    c._joined()
    // The device's place may be ahead of this page's, for other tabs move it too. And a
    // log that ends before what came from it is another one: only asking tells.
    const { _received: received = place.seq } = c
    if (way !== "websocket") received > place.seq && c._forget()
    else if (received > place.seq || (received < place.seq && !placed.includes(name))) ask(c)
  }

  function down(reason: Down): void {
    state = "connecting"
    for (const c of all()) c._disconnected()
    requests._lost()
    emit("disconnect", reason)
  }

  function failed(code: ErrorCode, message: string): void {
    const error = new WirepostError(code, message)
    emit("error", error)
    if (code === "forbidden") refused(error)
  }

  function end(error?: WirepostError): void {
    state = "closed"
    clearTimeout(late)
    unwake()
    const why = error ?? closed()
    requests._refuse(why)
    for (const c of all()) c._joined(why)
    emit("close", error)
  }

  function frame(frame: Frame, characters: number): void {
    size += characters + overhead
    switch (frame.type) {
      case "message":
      case "revoke":
      case "gap":
        return take(frame)
      case "state": {
        const c = channel(frame.channel)
        requests._read(c.name, frame.read)
        return counted(c, () => c._count(frame))
      }
      case "subscribed":
      case "unsubscribed": {
        const c = channel(frame.channel)
        c.member = c._agreed = frame.type === "subscribed"
        counted(c, () => (c.unread = 0))
        emit(frame.type, frame)
        if (c._wanted && !c._agreed) ask(c)
        return
      }
      case "ok":
      case "reply":
      case "error":
        if (frame.ref !== undefined) requests._answer(frame.ref, frame)
        else if (frame.type === "error") emit("error", new WirepostError(frame.code as ErrorCode, frame.message))
    }
  }

  function take(entry: Entry): void {
    const c = channel(entry.channel)
    if (c._held) c._held.push(entry)
    else counted(c, () => c._take(entry) && run(c))
  }

  function counted(c: Channel, change: () => unknown): void {
    const before = c.unread
    change()
    if (c._unsure) {
      c._unsure = false
      if (way !== "websocket") c.unread++ // the server cannot be asked
      else setTimeout(() => line?.send({ type: "state", channel: c.name }), Math.random() * 1000) // not with all others
    }
    if (c.unread !== before) emit("unread", { channel: c.name, unread: c.unread })
  }

  /** Lets messages through: before the first handler there is nobody to handle them. */
  function flow(): void {
    flowing = true
    for (const c of all()) run(c)
  }

  function run(c: Channel): void {
    if (flowing) void c._run(deliver, acknowledgeLater)
  }

  async function deliver(c: Channel, entry: Entry): Promise<void> {
    if (entry.type !== "message") return emit(entry.type, entry as Gap & Revoke)
    const message = { ...entry, epoch: greeting!.epoch } // what waited for another store is forgotten
    await Promise.all([...c._handlers, ...listeners("message")].map((handler) => guarded(handler, message)))
  }

  function acknowledgeLater(): void {
    if (size >= enough) acknowledge()
    else late ??= setTimeout(acknowledge, lazy)
  }

  function acknowledge(): void {
    clearTimeout(late)
    late = undefined
    size = 0
    if (state !== "open") return
    for (const c of all()) {
      if (c._settled <= c._acknowledged) continue
      c._acknowledged = c._settled
      if (c._agreed) line?.send({ type: "ack", channel: c.name, seq: c._settled })
    }
    // The server keeps no place for the channels that are no memberships.
    for (const c of wanted()) if (!c.member && c._settled) places[c.name] = c._settled
    keep("sessionStorage", store, places)
  }

  function all(): Channel[] {
    return [...channels.values()]
  }

  function wanted(): Channel[] {
    return all().filter((c) => c._wanted)
  }

  function channel(name: string): Channel {
    let c = channels.get(name)
    if (!c) channels.set(name, (c = new Channel(name)))
    return c
  }

  function want(name: string): Channel {
    checkName("channel", name)
    const c = channel(name)
    c._wanted = true
    return c
  }

  /** Has the server agree to a channel that the application asked for. */
  function join(c: Channel): Promise<void> | undefined {
    if (c._agreed) return undefined
    return new Promise((resolve, reject) => {
      const waiting = c._joining.push((error) => (error ? reject(error) : resolve()))
      if (waiting === 1 && state === "open") ask(c)
    })
  }

  function leave(c: Channel): void {
    if (c._handlers.size || !c._wanted) return
    c._wanted = false
    if (!c._agreed || c.member) return
    c._agreed = false
    c._forget()
    delete places[c.name]
    line?.send({ type: "unsubscribe", ref: 0, channel: c.name }) // nobody waits for the answer
  }

  /** Asks for a subscription, or for one to go on where this page is. */
  function ask(c: Channel): void {
    const hello = greeting
    const kept = places[c.name]
    if (!c.member && Number.isSafeInteger(kept)) c._received ??= kept as number // else somebody else has written there
    const after = c._received
    const request = { type: "subscribe", channel: c.name, after } as const
    if (way !== "websocket") return line?.send(request)
    if (after !== undefined) c._held = []
    const current = () => state === "open" && hello === greeting
    requests._add(request).then(
      ({ seq = 0 }) => {
        if (!current()) return
        c._agreed = true
        c._held = undefined // it comes again, from the right place
        c._joined()
        if (after === undefined || after <= seq) return void (c._received ??= seq)
        // It is the log of a channel in memory, of a server that was started again.
        c._forget()
        c._received = 0
        ask(c)
      },
      (error: WirepostError) => current() && declined(c, error),
    )
  }

  function declined(c: Channel, error: WirepostError): void {
    const held = c._held ?? []
    c._held = undefined
    for (const entry of held) take(entry)
    if (c._joining.length) c._joined(error)
    else if (c._wanted) emit("error", error)
  }

  /** A fallback was refused: what was not agreed on before is to blame, else all that was asked for. */
  function refused(error: WirepostError): void {
    const fresh = wanted().filter((c) => c._joining.length)
    for (const c of fresh.length ? fresh : wanted()) {
      c._wanted = false
      c._joined(error)
    }
  }

  return {
    device,

    get state() {
      return state
    },

    get transport() {
      return way
    },

    get user() {
      return greeting?.user
    },

    on(name, listener) {
      const off = on(name, listener)
      if (name === "message") flow()
      return off
    },

    async *[Symbol.asyncIterator]() {
      yield* (await more()).iterate(this)
    },

    async subscribe(name, handler) {
      if (state === "closed") throw closed()
      const c = want(name)
      c._handlers.add(handler)
      flow()
      const unsubscribe = () => void (c._handlers.delete(handler) && leave(c))
      try {
        await join(c)
      } catch (thrown) {
        unsubscribe()
        throw thrown
      }
      return { channel: name, unsubscribe }
    },

    async publish(to, data, { id = randomId(), key, contentType, signal } = {}) {
      const { seq = 0, duplicate = false } = await requests._add({ type: "publish", to, id, ...payload(data), key, content_type: contentType }, signal)
      return { id, seq, duplicate }
    },

    async call(method, data = null, { signal } = {}) {
      const { data: answer = null } = await requests._add({ type: "call", method, data: json(data) }, signal)
      return answer
    },

    async read({ channel, seq, epoch = greeting?.epoch }) {
      if (epoch === greeting?.epoch && !(seq <= channels.get(channel)!?.read)) await requests._add({ type: "read", channel, seq })
    },

    unread(channel = `user:${greeting?.user}`) {
      return channels.get(channel)?.unread ?? 0
    },

    close() {
      if (state === "closed") return
      acknowledge()
      line?.close()
      end()
    },
  }
}

const closed = () => new WirepostError("closed", "closed")

/** The name of this browser, which stays. */
function ownDevice(): string {
  const kept = String(recall("localStorage", "wirepost:device"))
  const name = /^[0-9a-f]{32}$/.test(kept) ? kept : randomId() // somebody else may have written there
  keep("localStorage", "wirepost:device", name)
  return name
}
