import { wording } from "./errors.js"
import { Cursor } from "./cursor.js"
import type { Command, Hello } from "./frames.js"
import { Hub } from "./hub.js"
import { randomId } from "./id.js"
import type { Down, Connection, ConnectionEvents } from "./connection.js"
import { Silence, unlessFrozen } from "./silence.js"
import type { MakeLink, Note, Notice, Standings } from "./tabs.js"

/**
 * Joins the one connection of all tabs with this name; undefined where the browser
 * cannot: then every tab has its own.
 *
 * One mechanism does for all browsers: Web Locks elect the tab that holds the
 * connection, and are released when a tab is gone, for whatever reason; a BroadcastChannel
 * carries the messages between tabs. A SharedWorker would need a script of its own at a URL of
 * the page's origin, and is missing on most phones.
 *
 * A tab that the browser has frozen keeps its locks. When the leader is silent,
 * another tab steals the lock and leads; until the frozen one notices, both have a
 * connection, and the greater term decides which leader is valid.
 */
export function share(name: string, makeLink: MakeLink, channels: Standings, events: ConnectionEvents): Connection | undefined {
  if (!globalThis.navigator?.locks || !globalThis.BroadcastChannel) return undefined
  return new Tab(`wirepost 2:${name}`, makeLink, channels, events)
}

/** A notice as it is sent. Each leader has a greater term than the one before. */
type Sent = Notice & { readonly term: number }

/** One tab: the connection of its client. The leader has the hub as well. */
class Tab implements Connection {
  readonly #id = randomId()
  readonly #name: string
  readonly #makeLink: MakeLink
  readonly #channels: Standings
  readonly #events: ConnectionEvents
  readonly #bus: BroadcastChannel
  readonly #leave = new AbortController()
  readonly #silence: Silence // of the leader
  #candidacy = new AbortController() // for the lead, or the lead itself
  #term = 0 // of the leader
  #hub: Hub | undefined
  #connection = "" // the identifier; empty while disconnected
  #unsure = false // the next connection is another leader's
  #cursor = new Cursor() // of what this tab has got without a WebSocket: there it begins if it leads

  constructor(name: string, makeLink: MakeLink, channels: Standings, events: ConnectionEvents) {
    this.#name = name
    this.#makeLink = makeLink
    this.#channels = channels
    this.#events = events
    this.#silence = new Silence(
      () => this.#send({ kind: "ping", from: this.#id }),
      () => this.#takeOver(),
    )
    this.#bus = new BroadcastChannel(name)
    this.#bus.onmessage = ({ data }: MessageEvent<unknown>) => {
      // Anything on the page's origin may have sent this.
      const { from, term } = Object(data) as Partial<Record<string, unknown>>
      if (typeof from === "string") this.#hub?.take(data as Note)
      else if (typeof term === "number") this.#receive(data as Sent)
    }
    this.#join().catch((thrown: unknown) => this.#failed(thrown))
  }

  send(command: Command): void {
    if (command.type === "ack") this.#cursor.settle(command.channel, command.seq)
    if (this.#connection) this.#send({ kind: "command", from: this.#id, connection: this.#connection, command, time: Date.now() })
  }

  wake(): void {
    this.#hub?.wake()
  }

  close(): void {
    this.#send({ kind: "leave", from: this.#id })
    this.#hub?.close()
    this.#hub = undefined
    this.#connection = ""
    this.#silence.stop()
    this.#leave.abort() // gives the locks back
    this.#candidacy.abort()
    this.#bus.close()
  }

  #failed(thrown: unknown): void {
    if (!this.#leave.signal.aborted) this.#events.failed("internal", wording(thrown))
  }

  async #join(): Promise<void> {
    const { signal } = this.#leave
    // First what shows that this tab lives: a leader may look for it at once.
    await new Promise<void>((held, failed) => {
      navigator.locks.request(`${this.#name} ${this.#id}`, () => (held(), aborted(signal))).catch(failed)
    })
    if (!signal.aborted) this.#follow()
  }

  /** Asks the leader for the current state, and waits to become leader. */
  #follow(): void {
    this.#silence.heard()
    this.#send({ kind: "join", from: this.#id })
    void this.#stand({})
  }

  /** The leader's tab is frozen: this one leads. */
  #takeOver(): void {
    this.#down({ code: 1001, reason: "the leading tab is silent", retryIn: 0 })
    this.#candidacy.abort()
    void this.#stand({ steal: true })
  }

  /** Leads as soon as the lock is free, or stolen, until another tab steals it. */
  async #stand(options: LockOptions): Promise<void> {
    const { signal } = (this.#candidacy = new AbortController())
    try {
      await navigator.locks.request(`${this.#name} leader`, options.steal ? options : { signal }, () => this.#lead(signal))
    } catch (thrown) {
      if (signal.aborted) return
      if ((thrown as Error).name === "AbortError") this.#stepDown()
      else this.#failed(thrown)
    }
  }

  async #lead(signal: AbortSignal): Promise<void> {
    const prefix = `${this.#name} `
    const { held = [] } = await navigator.locks.query()
    if (signal.aborted) return
    const holder = (lock: string) => held.find(({ name }) => name === prefix + lock)?.clientId
    // Stolen while this tab was frozen: with a newer term it would ignore the notices of the
    // leader that wait for it, and lose their messages.
    if (holder("leader") !== holder(this.#id)) return aborted(signal)
    const tabs = held.flatMap(({ name = "" }) => (name.startsWith(prefix) ? name.slice(prefix.length) : [])).filter((tab) => tab !== "leader")
    // Tabs that have not heard of the leader before go by the clock.
    const term = Math.max(this.#term + 1, Date.now() + Math.random())
    const spread = (notice: Notice) => this.#spread({ ...notice, term })
    spread({ kind: "down", reason: takenOver })
    this.#hub = new Hub(this.#name, tabs, this.#makeLink, this.#channels, () => this.#cursor.value, spread)
    this.#silence.stop()
    await aborted(signal)
  }

  /**
   * Another tab has taken the lead, as it does when this one was frozen. Where this one
   * did not lead, because it was frozen when the lock came, it is on the other's
   * connection already: to leave that would lose what comes before the response to its join.
   */
  #stepDown(): void {
    this.#candidacy.abort()
    if (this.#hub) this.#down(takenOver)
    this.#hub?.close()
    this.#hub = undefined
    this.#follow()
  }

  #send(note: Note): void {
    if (this.#hub) this.#hub.take(note)
    else this.#bus.postMessage(note)
  }

  #spread(notice: Sent): void {
    if (!notice.to || notice.to.some((id) => id !== this.#id)) this.#bus.postMessage(notice)
    this.#receive(notice)
  }

  #receive(notice: Sent): void {
    const { kind, term, to } = notice
    // Notices of a former leader are ignored, except an end while no other tab has a connection.
    if (term < this.#term && (kind !== "ended" || this.#connection)) return
    if (term > this.#term) {
      this.#term = term
      this.#unsure = true
      if (this.#hub) this.#stepDown()
      else this.#down(takenOver)
    }
    if (!this.#hub) this.#silence.heard()
    if (!to || to.includes(this.#id)) this.#hear(notice)
  }

  #hear(notice: Notice): void {
    switch (notice.kind) {
      case "up":
        if (this.#connection === notice.hello.connection) return
        this.#connection = notice.hello.connection
        if (notice.transport === "websocket") this.#cursor = new Cursor()
        return this.#events.up(notice.hello, notice.transport, this.#resumed(notice.hello))
      case "frame":
        if (!this.#connection) return
        if (notice.cursor !== undefined) this.#cursor.add(notice.cursor, notice.frame)
        return this.#events.frame(notice.frame, notice.size)
      case "down":
        return this.#down(notice.reason)
      case "ping":
        return unlessFrozen(() => this.#leave.signal.aborted || this.#send({ kind: "pong", from: this.#id }))
      case "failed":
        return this.#events.failed(notice.code, notice.message)
      case "ended":
        this.close()
        return this.#events.ended(notice.code, notice.message)
    }
  }

  /**
   * The connection of all tabs goes on where the device is, and no tab moves it: what is
   * acknowledged there every tab has got. But a leader that took this tab for frozen did not
   * wait for it, and may have acknowledged more after this tab had left it. So on the
   * connection of another leader a tab has its channels begin where it is.
   */
  #resumed({ channels }: Hello): readonly string[] {
    if (!this.#unsure) return Object.keys(channels)
    this.#unsure = false
    return []
  }

  #down(reason: Down): void {
    const was = this.#connection
    this.#connection = ""
    if (was) this.#events.down(reason)
  }
}

const takenOver: Down = { code: 1001, reason: "another tab leads now", retryIn: 0 }

/** Resolves when the signal is aborted. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener("abort", () => resolve())))
}
