import type { Channel } from "./channel.js"
import { wording, type ErrorCode } from "./errors.js"
import type { Command, Frame, Hello } from "./frames.js"
import { Hub, type Note } from "./hub.js"
import { randomId } from "./id.js"
import type { Down, Line, LineEvents, Owner } from "./line.js"
import type { TransportName } from "./transport.js"

/** What tabs tell each other. Without `to` it is for all of them. */
export type Notice = { readonly to?: readonly string[] } & (
  | { readonly kind: "up"; readonly hello: Hello; readonly transport: TransportName }
  | { readonly kind: "frame"; readonly frame: Frame; readonly size: number }
  | { readonly kind: "down"; readonly reason: Down }
  | { readonly kind: "failed" | "ended"; readonly code: ErrorCode; readonly message: string }
)

export type MakeLink = (owner: Owner) => Line
/** What the leader knows of its channels, for tabs that come later. */
export type Standings = ReadonlyMap<string, Pick<Channel, "name" | "member" | "head" | "read" | "unread">>

/**
 * Joins the one connection of all tabs with this name; undefined where the browser
 * cannot: then every tab has its own.
 *
 * One mechanism does for all browsers: Web Locks elect the tab that holds the
 * connection, and tell when a tab is gone, however it went; a BroadcastChannel
 * carries what tabs say. A SharedWorker would need a script of its own at a URL of
 * the page's origin, and is missing on most phones.
 */
export function share(name: string, makeLink: MakeLink, channels: Standings, events: LineEvents): Line | undefined {
  if (!globalThis.navigator?.locks || !globalThis.BroadcastChannel) return undefined
  return new Tab(`wirepost:${name}`, makeLink, channels, events)
}

/** One tab: the line of its client. The tab that leads has the hub as well. */
class Tab implements Line {
  readonly #id = randomId()
  readonly #bus: BroadcastChannel
  readonly #events: LineEvents
  readonly #leave = new AbortController()
  #hub: Hub | undefined
  #connection = "" // that this tab is on; empty while the line is down

  constructor(name: string, makeLink: MakeLink, channels: Standings, events: LineEvents) {
    this.#events = events
    this.#bus = new BroadcastChannel(name)
    this.#bus.onmessage = ({ data }: MessageEvent<Notice | Note>) => {
      if ("from" in data) this.#hub?.take(data)
      else this.#hear(data)
    }
    this.#join(name, makeLink, channels).catch((thrown: unknown) => {
      if (!this.#leave.signal.aborted) events.failed("internal", wording(thrown))
    })
  }

  send(command: Command): void {
    if (this.#connection) this.#tell({ kind: "command", from: this.#id, connection: this.#connection, command })
  }

  close(): void {
    this.#tell({ kind: "leave", from: this.#id })
    this.#hub?.close()
    this.#hub = undefined
    this.#connection = ""
    this.#leave.abort() // gives the locks back
    this.#bus.close()
  }

  async #join(name: string, makeLink: MakeLink, channels: Standings): Promise<void> {
    const { locks } = navigator
    const { signal } = this.#leave
    const open = () => new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()))
    // First what shows that this tab lives: a leader may look for it at once.
    await new Promise<void>((held, failed) => {
      locks.request(`${name} ${this.#id}`, () => (held(), open())).catch(failed)
    })
    if (signal.aborted) return
    this.#tell({ kind: "join", from: this.#id })
    await locks.request(`${name} leader`, { signal }, async () => {
      const { held = [] } = await locks.query()
      if (signal.aborted) return
      const tabs = held.map((lock) => lock.name ?? "").filter((lock) => lock.startsWith(`${name} `))
      this.#spread({ kind: "down", reason: { code: 1001, reason: "another tab leads now", retryIn: 0 } })
      this.#hub = new Hub(name, tabs.map((lock) => lock.slice(name.length + 1)).filter((tab) => tab !== "leader"), makeLink, channels, (notice) => this.#spread(notice))
      await open()
    })
  }

  #tell(note: Note): void {
    if (this.#hub) this.#hub.take(note)
    else this.#bus.postMessage(note)
  }

  #spread(notice: Notice): void {
    if (!notice.to || notice.to.some((id) => id !== this.#id)) this.#bus.postMessage(notice)
    this.#hear(notice)
  }

  #hear(notice: Notice): void {
    if (notice.to && !notice.to.includes(this.#id)) return
    switch (notice.kind) {
      case "up":
        if (this.#connection === notice.hello.connection) return
        this.#connection = notice.hello.connection
        // The connection of all tabs goes on where the device is: no tab moves it.
        return this.#events.up(notice.hello, notice.transport, Object.keys(notice.hello.channels))
      case "frame":
        if (this.#connection) this.#events.frame(notice.frame, notice.size)
        return
      case "down":
        if (this.#connection) this.#events.down(notice.reason)
        this.#connection = ""
        return
      case "failed":
        return this.#events.failed(notice.code, notice.message)
      case "ended":
        this.close()
        return this.#events.ended(notice.code, notice.message)
    }
  }
}
