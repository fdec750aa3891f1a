import { guarded } from "./emitter.js"
import type { WirepostError } from "./errors.js"
import type { Entry, Json, Message, ChannelState, Revoke } from "./frames.js"
import { maxKeys } from "./limits.js"

/** What the application does with a message. It counts as handled when a promise returned has settled. */
export type Handler<T = Json | undefined> = (message: Message<T>) => unknown

/** Delivers one entry; settled when the application is done with it. */
export type Deliver = (entry: Entry) => Promise<void>

/** One channel of a client: what was received, handled and is unread. */
export class Channel {
  readonly name: string
  readonly _handlers = new Set<Handler>()
  /** The application asked for it. */
  _wanted = false
  /** The connection has it. */
  _agreed = false
  /** The server counts what is unread here. */
  member = false

  /** The last sequence that came; undefined when it is not known where this began. */
  _received: number | undefined
  /** The last sequence that the application is done with. */
  _settled = 0
  /** The application is done with everything up to here: the starting point, then what it has settled. */
  _done: number | undefined
  /** The last sequence that a state after a gap includes. */
  _restored: number | undefined
  /** The last sequence that this connection has acknowledged. */
  _acknowledged = 0

  read = 0
  unread = 0
  /** The server's count covers everything up to here. */
  _counted = 0
  /** A message may have replaced an unread one that this page does not know: only the server can count. */
  _unsure = false
  /** The last sequences of collapse keys, as far as they are known. */
  #keys = new Map<string, number>()

  /** Entries received while a subscribe request is pending: delivered only if it is refused. */
  _held: Entry[] | undefined
  /** Callbacks of pending subscribe calls. */
  _joining: ((error?: WirepostError) => void)[] = []

  /** How far the server's count, or this page, has come. */
  get head(): number {
    return Math.max(this._counted, this._received ?? 0)
  }

  #queue: Entry[] = []
  #busy = false

  constructor(name: string) {
    this.name = name
  }

  /** Takes in what the server counted up to its head, or an older one up to what it had sent. */
  _count({ read, unread, seq = 0 }: Pick<ChannelState, "read" | "unread"> & { readonly seq?: number }): void {
    this.read = read
    this.unread = unread
    this._counted = Math.max(seq, this.head)
  }

  /** Takes in an entry; false for one that came before. */
  _take(entry: Entry): boolean {
    if (entry.type !== "gap") {
      if (entry.seq <= (this._received ?? 0)) return false
      this._received = entry.seq
      if (this.member) this.#reckon(entry)
    }
    this.#queue.push(entry)
    return true
  }

  /** Counts what is unread. A message with a key replaces the one before it with that key. */
  #reckon(entry: Message | Revoke): void {
    const { seq } = entry
    const unseen = seq > Math.max(this._counted, this.read)
    if (entry.type === "revoke") {
      this.#keys.clear() // one of them may have no message now
      if (unseen && entry.revoked > this.read && this.unread) this.unread--
      return
    }
    const { key } = entry
    const replaced = key && this.#keys.get(key)! > this.read
    if (key) this.#keys.set(key, seq).size > maxKeys && this.#keys.clear()
    if (!unseen || replaced) return
    if (key && this.unread) this._unsure = true
    else this.unread++
  }

  /** Delivers what has come, one entry after the other, and calls a function after each. */
  async _run(deliver: Deliver, done: () => void): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    for (let entry = this.#queue.shift(); entry; entry = this.#queue.shift()) {
      const queue = this.#queue
      await guarded(deliver, entry)
      if (entry.type !== "gap" && queue === this.#queue) this._settled = this._done = entry.seq
      done()
    }
    this.#busy = false
  }

  /** The connection is another one: nothing has been agreed on or acknowledged there. */
  _disconnected(otherStore = false): void {
    if (otherStore) this._forget()
    this._agreed = this.member = false
    this._acknowledged = 0
    this._held = undefined
  }

  /** Forgets the sequences, and what waits: they were those of another store. */
  _forget(): void {
    this.#queue = []
    this._received = this._done = this._restored = undefined
    this._settled = this._acknowledged = this._counted = 0
    this.#keys.clear()
  }

  /** Goes back to a sequence: what comes after it is sent again. */
  _back(seq: number): void {
    this._counted = this.head
    this.#queue = []
    this._received = this._done = seq
  }

  /** Settles the pending subscribe calls. */
  _joined(error?: WirepostError): void {
    for (const done of this._joining.splice(0)) done(error)
  }
}
