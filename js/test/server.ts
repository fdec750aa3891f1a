import { toThisPage } from "./page.js"

/** A frame as tests write and read it. */
export interface Raw {
  type: string
  [key: string]: unknown
}

interface Stored {
  seq: number
  prev: number
  id: string
  data: unknown
  revoked?: number
  key?: string
}

/** An in-memory server that implements the protocol and is controlled by a test. */
export class FakeServer {
  readonly sessions: Session[] = []
  readonly requests: { url: URL; authorization: string | null }[] = []
  readonly logs = new Map<string, Stored[]>()
  readonly cursors = new Map<string, number>()
  readonly reads = new Map<string, number>()
  readonly ids = new Map<string, number>()
  members = ["user:42", "all"]
  forbidden: string[] = []
  /** Who is present, by channel. */
  readonly presence = new Map<string, { count: number; users: { user: string; since: number }[] }>()
  /** The key for Web Push. */
  vapid: string | undefined
  /** How it refuses subscriptions. */
  webpush = ""
  epoch = "e1"
  user = "42"
  heartbeat = 25_000
  expires: (() => number) | undefined
  /** How WebSocket handshakes end: accepted, refused, or without a response. */
  socket: "accept" | "refuse" | "silent" = "accept"
  /** The same for nodes, by host; others are as `socket` says. */
  readonly nodes = new Map<string, "accept" | "refuse" | "silent">()
  /** All attempts to connect a WebSocket: the host, and when. */
  readonly attempts: { readonly host: string; readonly at: number }[] = []
  /** A code with which an intermediary closes WebSockets. */
  rejects = 0
  /** What a proxy responds instead of the server. */
  front: { status: number; type: string; body: string } | undefined
  /** Whether `expires_in_ms` is sent beside `expires`. */
  sendsExpiresIn = true
  /** Whether what it sends at once comes in one task, as `ws` delivers it. */
  together = false
  /** How far its clock is behind the client's. */
  skew = 0
  /** Statuses of /sse and /poll. */
  sse = 200
  /** What such a request waits for. */
  gate: ((url: URL) => Promise<void> | undefined) | undefined
  poll = 200

  readonly WebSocket = fakeWebSocket(this)
  readonly fetch = (input: URL, init: RequestInit): Promise<Response> => fakeFetch(this, input, init)

  /** The newest session. */
  get last(): Session {
    const last = this.sessions.at(-1)
    if (!last) throw new Error("no client has connected")
    return last
  }

  get open(): Session[] {
    return this.sessions.filter((s) => s.open)
  }

  head(channel: string): number {
    return this.logs.get(channel)?.at(-1)?.seq ?? 0
  }

  push(channel: string, data: unknown, id = `m${this.head(channel) + 1}`, key?: string): number {
    const log = this.logs.get(channel) ?? []
    if (key) this.logs.set(channel, log.filter((entry) => entry.key !== key))
    return this.#append(channel, { data, id, ...(key && { key }) })
  }

  revoke(channel: string, revoked: number): void {
    this.#append(channel, { data: undefined, id: "r", revoked })
  }

  /** Stops the server; its store remains. */
  stop(code = 1006): void {
    for (const session of this.open) session.end(code)
    this.socket = "refuse"
    this.sse = this.poll = 0
  }

  start(): void {
    this.socket = "accept"
    this.sse = this.poll = 200
  }

  /** The number of live messages after the read mark. */
  unread(channel: string): number {
    const log = this.logs.get(channel) ?? []
    const revoked = log.map((entry) => entry.revoked)
    return log.filter((entry) => !entry.revoked && !revoked.includes(entry.seq) && entry.seq > (this.reads.get(channel) ?? 0)).length
  }

  #append(channel: string, entry: { data: unknown; id: string; revoked?: number; key?: string }): number {
    const log = this.logs.get(channel) ?? []
    this.logs.set(channel, log)
    const prev = this.head(channel)
    log.push({ ...entry, prev, seq: prev + 1 })
    for (const session of this.open) session.pull()
    return prev + 1
  }
}

/** The server side of one connection. */
export class Session {
  readonly got: Raw[] = []
  readonly positions = new Map<string, number>()
  open = true
  mute = false
  id = ""

  constructor(
    readonly server: FakeServer,
    readonly url: URL,
    readonly protocols: string[],
    readonly write: (frame: Raw) => void,
    readonly end: (code: number, reason?: string) => void,
  ) {
    this.id = `c${server.sessions.push(this)}`
  }

  get device(): string {
    return this.url.searchParams.get("device") ?? ""
  }

  /** Starts the session with the parameters of the URL. */
  greet(): void {
    const { server } = this
    const cursor = this.url.pathname.endsWith("/poll") // its after is a cursor
    const after = new Map((cursor ? "" : (this.url.searchParams.get("after") ?? "")).split(",").filter(Boolean).map((entry) => {
      const [channel, seq] = entry.includes("=") ? entry.split("=") : [`user:${server.user}`, entry]
      return [channel ?? "", Number(seq)] as const
    }))
    const asked = (this.url.searchParams.get("channels") ?? "").split(",").filter(Boolean)
    const channels: Record<string, unknown> = {}
    for (const channel of [...server.members, ...asked]) {
      const member = server.members.includes(channel)
      const stored = server.cursors.get(`${this.device} ${channel}`) ?? 0
      this.positions.set(channel, after.get(channel) ?? (member ? stored : server.head(channel)))
      const read = server.reads.get(channel) ?? 0
      channels[channel] = { seq: server.head(channel), oldest: 1, after: this.positions.get(channel), read: member ? read : 0, unread: member ? server.unread(channel) : 0, resumed: true }
    }
    this.send({ type: "hello", connection: this.id, user: server.user, device: this.device, epoch: server.epoch, heartbeat_ms: server.heartbeat, ...(server.vapid && { vapid: server.vapid }), ...life(server), channels })
    this.pull()
  }

  send(frame: Raw): void {
    if (this.open && !this.mute) this.write(frame)
  }

  pull(): void {
    for (const [channel, position] of this.positions) {
      for (const { revoked, ...entry } of this.server.logs.get(channel) ?? []) {
        if (entry.seq <= position) continue
        this.positions.set(channel, entry.seq)
        if (revoked) this.send({ type: "revoke", channel, seq: entry.seq, revoked, id: `m${revoked}` })
        else this.send({ type: "message", channel, time: 1, ...entry })
      }
    }
  }

  /** The frames received of a type. */
  all(type: string): Raw[] {
    return this.got.filter((frame) => frame.type === type)
  }

  take(frame: Raw): void {
    this.got.push(frame)
    if (this.mute) return
    const { server } = this
    const { ref, type } = frame
    const channel = String(frame["channel"] ?? frame["to"])
    const ok = (fields = {}) => this.send({ type: "ok", ref, ...fields })
    const no = (code: string, message = code) => this.send({ type: "error", ref, code, message })
    switch (type) {
      case "ack": {
        const key = `${this.device} ${channel}`
        if (server.members.includes(channel)) server.cursors.set(key, Math.max(server.cursors.get(key) ?? 0, Math.min(Number(frame["seq"]), this.positions.get(channel) ?? 0)))
        return
      }
      case "read":
        if (!server.members.includes(channel)) return no("not_found")
        if (Number(frame["seq"]) <= (server.reads.get(channel) ?? 0)) return
        server.reads.set(channel, Number(frame["seq"]))
        for (const s of server.open) s.send({ type: "state", channel, seq: server.head(channel), read: frame["seq"], unread: server.unread(channel) })
        return
      case "state":
        return this.send({ type: "state", channel, seq: server.head(channel), read: server.reads.get(channel) ?? 0, unread: server.unread(channel) })
      case "subscribe":
        if (server.forbidden.includes(channel)) return no("forbidden", "not this one")
        if (frame["after"] !== undefined || !this.positions.has(channel)) this.positions.set(channel, Number(frame["after"] ?? server.head(channel)))
        ok({ seq: server.head(channel), oldest: 1, resumed: true, ...(frame["presence"] ? { presence: server.presence.get(channel) } : {}) })
        return this.pull()
      case "history": {
        const before = Number(frame["before"] ?? Infinity)
        const messages = (server.logs.get(channel) ?? []).filter(({ seq }) => seq < before).reverse().slice(0, Number(frame["limit"] ?? 100))
        return ok({ messages, next: messages.at(-1)?.seq ?? before, read: server.reads.get(channel) ?? 0 })
      }
      case "unsubscribe":
        return this.positions.delete(channel) ? ok() : no("not_found")
      case "publish": {
        if (server.forbidden.includes(channel)) return no("forbidden")
        const id = String(frame["id"])
        const known = server.ids.get(id)
        if (known) return ok({ id, seq: known, duplicate: true })
        const seq = server.head(channel) + 1
        server.ids.set(id, seq)
        ok({ id, seq })
        return void server.push(channel, frame["data"], id)
      }
      case "call":
        return frame["method"] === "echo" ? this.send({ type: "reply", ref, data: frame["data"] }) : no("not_found")
      case "webpush":
        return server.webpush ? no(server.webpush) : ok()
      case "auth":
        return ok(life(server))
    }
  }
}

export type FakeWebSocket = InstanceType<ReturnType<typeof fakeWebSocket>>

function fakeWebSocket(server: FakeServer) {
  return class extends EventTarget {
    readonly url: string
    protocol = ""
    extensions = ""
    binaryType = "blob"
    bufferedAmount = 0
    readyState = 0
    onopen: ((event: Event) => void) | null = null
    onmessage: ((event: MessageEvent) => void) | null = null
    onerror: ((event: Event) => void) | null = null
    onclose: ((event: { code: number; reason: string; wasClean: boolean }) => void) | null = null
    readonly #here = toThisPage("socket")
    #session: Session | undefined

    constructor(url: string | URL, protocols: string | string[] = []) {
      super()
      const at = new URL(url)
      if (!/^wss?:$/.test(at.protocol)) throw new DOMException("no WebSocket", "SyntaxError")
      const list = [protocols].flat()
      for (const p of list) if (!/^[\w.~!#$%&'*+^`|-]+$/.test(p)) throw new DOMException("a bad protocol", "SyntaxError")
      this.url = at.href
      server.attempts.push({ host: at.host, at: Date.now() })
      setImmediate(() => this.#here(() => this.#connect(at, list)))
    }

    #connect(at: URL, protocols: string[]): void {
      const socket = server.nodes.get(at.host) ?? server.socket
      if (this.readyState !== 0 || socket === "silent") return
      if (socket === "refuse") {
        this.onerror?.(new Event("error"))
        return this.#end(1006, "", false)
      }
      if (server.rejects) return this.#end(server.rejects, "not through here", true)
      this.readyState = 1
      this.protocol = protocols.find((p) => p === "wirepost.v1" || p === "wirepost.plain") ?? ""
      const sent: Raw[] = []
      const next = (frame = sent.shift()) => frame && this.readyState === 1 && this.onmessage?.({ data: JSON.stringify(frame), origin: at.origin } as MessageEvent)
      this.#session = new Session(server, at, protocols, (frame) => {
        sent.push(frame)
        setImmediate(() => this.#here(() => {
          do next()
          while (server.together && sent.length)
        }))
      }, (code, reason = "") => {
        if (this.#session) this.#session.open = false
        setImmediate(() => this.#here(() => this.readyState < 3 && this.#end(code, reason, code !== 1006)))
      })
      this.onopen?.(new Event("open"))
      if (this.protocol === "wirepost.v1") this.#session.greet()
    }

    send(data: string): void {
      if (this.readyState === 0) throw new DOMException("not yet", "InvalidStateError")
      if (this.readyState !== 1) return
      const session = this.#session
      setImmediate(() => session?.open && session.take(JSON.parse(data) as Raw))
    }

    close(code?: number, reason = ""): void {
      if (code !== undefined && code !== 1000 && (code < 3000 || code > 4999)) throw new DOMException("a bad code", "InvalidAccessError")
      if (this.readyState > 1) return
      const connecting = this.readyState === 0
      this.readyState = 2
      setImmediate(() => {
        if (this.#session) this.#session.open = false
        if (connecting) this.onerror?.(new Event("error"))
        if (this.readyState < 3) this.#end(connecting ? 1006 : (code ?? 1005), reason, !connecting)
      })
    }

    #end(code: number, reason: string, wasClean: boolean): void {
      this.readyState = 3
      this.onclose?.({ code, reason, wasClean })
    }
  }
}

async function fakeFetch(server: FakeServer, input: URL, init: RequestInit): Promise<Response> {
  const url = new URL(input)
  server.requests.push({ url, authorization: new Headers(init.headers).get("Authorization") })
  await new Promise((resolve) => setImmediate(resolve))
  await server.gate?.(url)
  const stream = url.pathname.endsWith("/sse")
  const status = stream ? server.sse : server.poll
  if (server.front) return new Response(server.front.body, { status: server.front.status, headers: { "Content-Type": server.front.type } })
  if (!status || server.nodes.get(url.host) === "refuse") throw new TypeError("fetch failed")
  const wanted = (url.searchParams.get("channels") ?? "").split(",")
  const bad = wanted.find((c) => server.forbidden.includes(c))
  if (status !== 200 || bad) return refusal(bad ? 403 : status, bad ? `not ${bad}` : `status ${status}`)
  return stream ? streamed(server, url, init.signal) : polled(server, url, init.signal)
}

/** The cursor of the fake: positions as JSON. */
function resume(session: Session, cursor: string | null): void {
  if (!cursor) return
  for (const [channel, seq] of JSON.parse(cursor) as [string, number][]) {
    session.positions.set(channel, seq)
    const key = `${session.device} ${channel}`
    session.server.cursors.set(key, Math.max(session.server.cursors.get(key) ?? 0, seq))
  }
}

function streamed(server: FakeServer, url: URL, signal: AbortSignal | null | undefined): Response {
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const session: Session = new Session(server, url, [], (frame) => {
        const id = frame.type === "hello" ? "" : `id: ${JSON.stringify([...session.positions])}\n`
        if (id || url.searchParams.get("hello") === "1") controller.enqueue(encoder.encode(`: comment\n\n${id}data: ${JSON.stringify(frame)}\n\n`))
      }, () => {
        session.open = false
        controller.close()
      })
      signal?.addEventListener("abort", () => {
        session.open = false
        controller.error(new DOMException("aborted", "AbortError"))
      })
      begin(session, url.searchParams.get("last_event_id"))
    },
  })
  return new Response(body, { headers: { "Content-Type": "text/event-stream" } })
}

function begin(session: Session, cursor: string | null): void {
  const send = session.pull
  session.pull = () => {} // the cursor first
  session.greet()
  session.pull = send
  resume(session, cursor)
  session.pull()
}

function polled(server: FakeServer, url: URL, signal: AbortSignal | null | undefined): Promise<Response> {
  return new Promise((resolve, reject) => {
    const messages: Raw[] = []
    const session = new Session(server, url, [], (frame) => messages.push(frame), () => answer())
    const answer = () => {
      if (!session.open) return
      session.open = false
      resolve(Response.json({ cursor: JSON.stringify([...session.positions]), messages, ...(hello && { hello }) }))
    }
    signal?.addEventListener("abort", () => {
      session.open = false
      reject(new DOMException("aborted", "AbortError"))
    })
    const cursor = url.searchParams.get("after")
    if (cursor && !cursor.startsWith("[")) return resolve(refusal(400, "no cursor"))
    begin(session, cursor)
    const greeting = messages.shift()
    const hello = url.searchParams.get("hello") === "1" ? greeting : undefined
    if (messages.length) return answer()
    const wait = parseInt(url.searchParams.get("wait") ?? "0") * 1000
    const pull = session.pull.bind(session)
    session.pull = () => {
      pull()
      if (messages.length) answer()
    }
    setTimeout(answer, wait)
  })
}

/** The remaining lifetime of a token, by the server's clock. */
function life(server: FakeServer): { expires?: number; expires_in_ms?: number } {
  const expires = server.expires?.()
  if (expires === undefined) return {}
  return { expires: expires - server.skew, ...(server.sendsExpiresIn && { expires_in_ms: expires - Date.now() }) }
}

/** An error response of the server itself: problem details. */
function refusal(status: number, detail: string): Response {
  const code = { 400: "bad_request", 401: "unauthorized", 403: "forbidden", 429: "rate_limited" }[status] ?? "unavailable"
  return Response.json({ status, code, detail }, { status, headers: { "Content-Type": "application/problem+json" } })
}
