import type { ErrorCode } from "./errors.js"
import type { Command, Frame, Hello, ChannelState, Ref, Request } from "./frames.js"
import type { Connection, ConnectionEvents } from "./connection.js"
import { longestSilence, Silence, unlessFrozen } from "./silence.js"
import type { MakeLink, Note, Notice, Standings } from "./tabs.js"
import type { TransportName } from "./transport.js"

interface Port {
  /** Channels besides the memberships. */
  readonly wants: Set<string>
  /** What the tab is done with, in channels of which it got something. */
  readonly done: Map<string, number>
  /** Runs while the tab is not done with something. */
  readonly silence: Silence
  /** The tab is frozen: what it gets waits in the browser, and no acknowledgement waits for it. */
  silent: boolean
}

/**
 * Puts the tabs of a browser on one connection. Messages go to every tab that the
 * channel concerns; a message is acknowledged when all of them are done with it,
 * gone or frozen. Responses go to the tab that sent the request.
 */
export class Hub {
  readonly #name: string
  readonly #ports = new Map<string, Port>()
  readonly #channels: Standings
  readonly #spread: (notice: Notice) => void
  readonly #link: Connection
  readonly #leave = new AbortController()

  #hello: Hello | undefined // while the link is up
  #transport: TransportName = "websocket"
  #store = ""
  #ref = 0
  readonly #refs = new Map<Ref, { to: string; ref: Ref | undefined }>()
  readonly #members = new Set<string>()
  readonly #subscribed = new Set<string>() // of the connection, besides the memberships
  readonly #positions = new Map<string, number>() // the last sequence that was passed on
  readonly #acknowledged = new Map<string, number>()

  /** Tabs that are there already are known from the start: they have a say in what is acknowledged. */
  constructor(name: string, tabs: readonly string[], makeLink: MakeLink, channels: Standings, cursor: () => string, spread: (notice: Notice) => void) {
    this.#name = name
    this.#channels = channels
    this.#spread = spread
    for (const id of tabs) this.#port(id)
    this.#link = makeLink({
      channels: () => [...new Set([...this.#ports.values()].flatMap((port) => [...port.wants]))],
      position: (channel) => this.#positions.get(channel),
      cursor,
      ...this.#linkEvents(),
    })
  }

  wake(): void {
    this.#link.wake?.()
  }

  close(): void {
    this.#leave.abort()
    for (const { silence } of this.#ports.values()) silence.stop()
    this.#link.close()
  }

  /** Handles a note of a tab. */
  take(note: Note): void {
    if (note.kind === "leave") return this.#gone(note.from)
    const to = [note.from]
    const port = this.#port(note.from)
    port.silent = false
    switch (note.kind) {
      case "command":
        if (note.connection === this.#hello?.connection) this.#command(note.from, port, note.command, note.time)
        break
      case "join":
        if (this.#hello) this.#spread({ kind: "up", to, hello: { ...this.#hello, channels: this.#channelStates(this.#hello) }, transport: this.#transport })
        break
      case "ping":
        unlessFrozen(() => this.#leave.signal.aborted || this.#spread({ kind: "pong", to }))
    }
    port.silence.stop()
    if (this.#isPending(port)) port.silence.watch()
  }

  #linkEvents(): ConnectionEvents {
    const notify = (kind: "failed" | "ended") => (code: ErrorCode, message: string) => this.#spread({ kind, code, message })
    return {
      up: (hello, transport) => this.#up(hello, transport),
      frame: (frame, size, cursor) => this.#frame(frame, size, cursor),
      down: (reason) => {
        this.#hello = undefined
        this.#spread({ kind: "down", reason })
      },
      failed: notify("failed"),
      ended: notify("ended"),
    }
  }

  #up(hello: Hello, transport: TransportName): void {
    const store = `${hello.epoch} ${hello.user}`
    if (store !== this.#store) this.#positions.clear()
    this.#store = store
    // A link that makes its connection anew by itself does not say that it was down.
    if (this.#hello) this.#spread({ kind: "down", reason: { code: 1000, reason: "connecting anew", retryIn: 0 } })
    this.#hello = hello
    this.#transport = transport
    this.#refs.clear()
    this.#members.clear()
    this.#subscribed.clear()
    this.#acknowledged.clear()
    for (const { done } of this.#ports.values()) done.clear()
    const wanted = new Set([...this.#ports.values()].flatMap((port) => [...port.wants]))
    for (const channel of Object.keys(hello.channels)) {
      const set = transport !== "websocket" && wanted.has(channel) ? this.#subscribed : this.#members
      set.add(channel)
    }
    this.#spread({ kind: "up", hello, transport })
  }

  #frame(frame: Frame, size: number, cursor?: string): void {
    switch (frame.type) {
      case "message":
      case "revoke":
        return this.#pass(frame, size, cursor)
      case "gap":
        return this.#spread({ kind: "frame", frame, size, to: this.#concerned(frame.channel) })
      case "subscribed":
        this.#members.add(frame.channel)
        break
      case "unsubscribed":
        this.#members.delete(frame.channel)
        this.#subscribed.delete(frame.channel)
        break
      case "ok":
      case "reply":
      case "error": {
        const asked = frame.ref === undefined ? undefined : this.#refs.get(frame.ref)
        if (!asked || frame.ref === undefined) return
        this.#refs.delete(frame.ref)
        return this.#spread({ kind: "frame", size, frame: { ...frame, ...(asked.ref !== undefined && { ref: asked.ref }) }, to: [asked.to] })
      }
    }
    this.#spread({ kind: "frame", frame, size })
  }

  /** Passes an entry on. From now on it is acknowledged only when all tabs that got it are done. */
  #pass(frame: Extract<Frame, { type: "message" | "revoke" }>, size: number, cursor?: string): void {
    const { channel, seq } = frame
    const to = this.#concerned(channel)
    if (!to.length) return
    this.#positions.set(channel, Math.max(seq, this.#positions.get(channel) ?? 0))
    for (const id of to) {
      const port = this.#port(id)
      if (!port.done.has(channel)) port.done.set(channel, seq - 1)
      if (!port.silent && this.#isPending(port)) port.silence.watch()
    }
    this.#spread({ kind: "frame", frame, size, cursor, to })
    this.#acknowledge(channel) // the tabs that got it may be done with it, or frozen
  }

  #concerned(channel: string): string[] {
    return [...this.#ports].filter(([, port]) => this.#members.has(channel) || port.wants.has(channel)).map(([id]) => id)
  }

  #command(from: string, port: Port, command: Command, time = Date.now()): void {
    switch (command.type) {
      case "call":
        // This tab was frozen: the call has failed, or is about to, and may have been made anew.
        if (time + longestSilence >= Date.now()) break
        return this.#spread({ kind: "frame", to: [from], size: 0, frame: { type: "error", ref: command.ref!, code: "unavailable", message: "not sent in time" } })
      case "state":
        return this.#link.send(command) // all tabs get what it brings
      case "ack":
        port.done.set(command.channel, command.seq)
        return this.#acknowledge(command.channel)
      case "unsubscribe": {
        port.wants.delete(command.channel)
        port.done.delete(command.channel)
        if ([...this.#ports.values()].some(({ wants }) => wants.has(command.channel))) return this.#acknowledge(command.channel)
        this.#subscribed.delete(command.channel)
        this.#positions.delete(command.channel)
        break
      }
      case "subscribe":
        return this.#subscribe(from, port, command)
    }
    this.#forward(from, command)
  }

  /** Has a tab's channel begin where the tab is, unless the connection is not that far yet. */
  #subscribe(from: string, port: Port, { after, ...command }: Extract<Command, { type: "subscribe" }>): void {
    const { channel } = command
    const member = this.#members.has(channel)
    const there = member || this.#subscribed.has(channel)
    const position = this.#positions.get(channel)
    // Every tab that lacks something asks, so the last one to be moved back to is the least.
    const start = after === undefined ? undefined : Math.min(after, position ?? after)
    const back = start !== undefined && !(there && start === position)
    if (back) {
      this.#positions.set(channel, start)
      this.#acknowledged.delete(channel) // what comes again fills the window again
    }
    if (!member) {
      port.wants.add(channel)
      this.#subscribed.add(channel)
    }
    if (there && this.#transport !== "websocket" && !back) return
    // The tab drops what it receives before the response: it has to be sent again, even if nothing else is.
    this.#forward(from, { ...command, after: start })
  }

  #forward(to: string, command: Request & { ref?: Ref }): void {
    this.#refs.set(++this.#ref, { to, ref: command.ref })
    this.#link.send({ ...command, ref: this.#ref })
  }

  /** Acknowledges what all tabs are done with that got something of a channel, as far as it has come. */
  #acknowledge(channel: string): void {
    const done = [...this.#ports.values()].flatMap(({ silent, done }) => (silent && done.has(channel) ? Infinity : (done.get(channel) ?? [])))
    const seq = Math.min(this.#positions.get(channel) ?? Infinity, ...done)
    if (!done.length || seq === Infinity || seq <= (this.#acknowledged.get(channel) ?? 0)) return
    this.#acknowledged.set(channel, seq)
    this.#link.send({ type: "ack", channel, seq })
  }

  /** The leader's memberships, for a tab that joins later. */
  #channelStates({ channels }: Hello): Record<string, ChannelState> {
    const members = [...this.#channels.values()].filter(({ member }) => member)
    return Object.fromEntries(
      members.map(({ name, head, read, unread }) => [name, { seq: head, oldest: 0, after: head, start: channels[name]?.after, read, unread, resumed: true }]),
    )
  }

  /** The port of a tab. Its lock is free when the tab is gone, however it went. */
  #port(id: string): Port {
    let port = this.#ports.get(id)
    if (!port) {
      port = { wants: new Set(), done: new Map(), silence: this.#silence(id), silent: false }
      this.#ports.set(id, port)
      navigator.locks.request(`${this.#name} ${id}`, { signal: this.#leave.signal }, () => this.#gone(id)).catch(() => {}) // closed
    }
    return port
  }

  #silence(id: string): Silence {
    return new Silence(
      () => this.#spread({ kind: "ping", to: [id] }),
      () => this.#frozen(this.#port(id)),
    )
  }

  /** Whether a tab is not done with what it got. */
  #isPending({ done }: Port): boolean {
    return [...done].some(([channel, seq]) => seq < (this.#positions.get(channel) ?? 0))
  }

  #frozen(port: Port): void {
    port.silent = true
    for (const channel of port.done.keys()) this.#acknowledge(channel)
  }

  #gone(id: string): void {
    const port = this.#ports.get(id)
    if (!port) return
    port.silence.stop()
    for (const channel of port.wants) this.#command(id, port, { type: "unsubscribe", channel })
    this.#ports.delete(id)
    for (const channel of port.done.keys()) this.#acknowledge(channel)
  }
}
