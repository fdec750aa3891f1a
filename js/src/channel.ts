import { guarded } from "./emitter.js"
import type { Entry, Message, Place } from "./frames.js"

/** What the application does with a message. It counts as handled when a promise returned has settled. */
export type Handler = (message: Message) => unknown

/** Delivers one entry of a channel; settled when the application is done with it. */
export type Deliver = (channel: Channel, entry: Entry) => Promise<void>

/** One channel as this client has it: what came, what is done, what is unread. */
export class Channel {
  readonly name: string
  readonly handlers = new Set<Handler>()
  /** The application asked for it. */
  wanted = false
  /** It did so when it connected, and cannot leave. */
  listed = false
  /** The connection has it. */
  agreed = false
  /** The server counts what is unread here. */
  member = false

  /** The last sequence that came; undefined when it is not known where this began. */
  received: number | undefined
  /** The last sequence that the application is done with. */
  settled = 0
  /** The last sequence that this connection has acknowledged. */
  acknowledged = 0

  read = 0
  unread = 0
  /** The server's count covers everything up to here. */
  counted = 0

  /** Entries that came before the place was agreed on: they count only if it is not. */
  held: Entry[] | undefined

  #queue: Entry[] = []
  #busy = false
  #life = 0

  constructor(name: string) {
    this.name = name
  }

  /** Takes in what the server counted. */
  place(place: Place): void {
    this.member = true
    this.read = place.read
    this.unread = place.unread
    this.counted = Math.max(place.seq, this.received ?? 0)
  }

  /** Takes in an entry; false for one that came before. */
  take(entry: Entry): boolean {
    if (entry.type !== "gap") {
      if (entry.seq <= (this.received ?? 0)) return false
      this.received = entry.seq
      this.#count(entry)
    }
    this.#queue.push(entry)
    return true
  }

  /** Delivers what has come, one entry after the other, and tells of each that is done. */
  async run(deliver: Deliver, done: () => void): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    for (let entry = this.#queue.shift(); entry; entry = this.#queue.shift()) {
      const life = this.#life
      await guarded((e) => deliver(this, e), entry)
      if (entry.type !== "gap" && life === this.#life) this.settled = entry.seq
      done()
    }
    this.#busy = false
  }

  /** The connection is another one: nothing has been agreed on or acknowledged there. */
  disconnected(): void {
    this.agreed = this.member = false
    this.acknowledged = 0
    this.held = undefined
  }

  /** Forgets the sequences: they were those of another store. */
  forget(): void {
    this.#life++
    this.#queue = []
    this.received = undefined
    this.settled = this.acknowledged = this.counted = 0
  }

  #count(entry: Exclude<Entry, { type: "gap" }>): void {
    if (!this.member || entry.seq <= this.counted) return
    if (entry.type === "message") this.unread++
    else if (entry.revoked > this.read && this.unread) this.unread--
  }
}
