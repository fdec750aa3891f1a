import type { Restored } from "../client.js"
import { wording } from "../errors.js"
import { guarded } from "../emitter.js"
import type { Entry, Hello, Message } from "../frames.js"
import type { Host, InboxOptions, Persist } from "../persisted.js"
import { cursors, epochKey, messages, outbox, result, transact, type Cursor } from "./database.js"

/** After how many messages those that are too many are removed. */
const spare = 64

/** What became of an entry: the position after it, or the one to go back to; undefined if it is void. */
type Outcome = { readonly at: number } | { readonly back: number } | undefined

/** The messages of a user and the positions in their channels. */
export class Inbox {
  /** Of the server's store. */
  epoch: string | undefined
  readonly #db: IDBDatabase
  readonly #host: Host
  readonly #persist: Persist
  readonly #limit: number
  readonly #positions = new Map<string, number>() // as this tab knows them: others may be ahead
  readonly #readers = new Set<() => Promise<void>>()
  readonly #bus: BroadcastChannel | undefined
  #reset: Promise<void> | undefined // or a channel's, which comes before what follows
  #added = 0
  #closed = false

  constructor(db: IDBDatabase, host: Host, persist: Persist, limit: number) {
    this.#db = db
    this.#host = host
    this.#persist = persist
    this.#limit = limit
    if (!globalThis.BroadcastChannel) return
    this.#bus = new BroadcastChannel(`wirepost persist:${db.name}`)
    this.#bus.onmessage = () => this.#read()
  }

  /** Reads the positions. */
  async load(): Promise<void> {
    const all = (await result(this.#db.transaction(cursors).objectStore(cursors).getAll())) as Cursor[]
    for (const { channel, seq, epoch } of all) {
      if (channel === epochKey) this.epoch = epoch
      else this.#positions.set(channel, seq)
    }
  }

  close(): void {
    this.#closed = true
    this.#bus?.close()
  }

  position(channel: string): number | undefined {
    return this.#positions.get(channel)
  }

  /** There is a connection: the server's store is this one. */
  up({ epoch, channels }: Hello): void {
    if (epoch !== this.epoch) this.#replace(epoch)
    this.begin(Object.entries(channels).map(([channel, { start, after, read }]) => [channel, start ?? after ?? read]))
  }

  /**
   * Has channels begin after these sequences, unless they have begun. This comes before
   * another tab, which begins later, can store anything of them.
   */
  begin(starts: readonly (readonly [channel: string, seq: number])[]): void {
    const fresh = starts.filter(([channel]) => !this.#positions.has(channel))
    if (!fresh[0]) return
    this.#first("begin", async (tx) => {
      const store = tx.objectStore(cursors)
      const known = await Promise.all(fresh.map(([channel]) => result(store.getKey(channel))))
      fresh.forEach(([channel, seq], i) => known[i] ?? store.put({ channel, seq } satisfies Cursor))
    })
  }

  #replace(epoch: string): void {
    const old = this.epoch
    this.epoch = epoch
    this.#positions.clear()
    this.#first("reset", async (tx) => {
      const store = tx.objectStore(cursors)
      const current = (await result(store.get(epochKey))) as Cursor | undefined
      if (current?.epoch === epoch) return // another tab has done it
      store.clear()
      tx.objectStore(messages).clear()
      store.put({ channel: epochKey, seq: 0, epoch } satisfies Cursor)
      if (old) await this.#persist.reset?.(tx)
    })
  }

  /** A channel in memory has begun anew, with this head. */
  rewind(channel: string, head: number): void {
    this.#positions.set(channel, 0)
    this.#first(`begin ${channel} anew`, async (tx) => {
      const store = tx.objectStore(cursors)
      const { seq = 0 } = ((await result(store.get(channel))) as Cursor | undefined) ?? {}
      if (seq <= head) return // another tab has done it
      store.put({ channel, seq: 0 } satisfies Cursor)
      tx.objectStore(messages).delete(range(channel, 0))
    })
  }

  /** Does something before all that follows. */
  #first(what: string, work: (tx: IDBTransaction) => Promise<void>): void {
    const before = this.#reset
    this.#reset = (async () => {
      await before
      await this.#until(what, work)
    })()
  }

  /** Stores an entry, and applies it. */
  async commit(entry: Entry, done: number | undefined, restored: Restored | undefined): Promise<void> {
    await this.#reset
    const { channel } = entry
    const seq = entry.type === "gap" ? restored && Math.max(restored.seq ?? 0, entry.resumed_at - 1) : entry.seq
    if (seq === undefined) return // the messages that are missing are not there any more
    const outcome = await this.#until(`apply ${channel} ${seq}`, (tx) => this.#apply(tx, entry, seq, done, restored))
    if (!outcome) return
    if ("back" in outcome) {
      this.#positions.set(channel, outcome.back)
      return this.#host.back(channel, outcome.back)
    }
    this.#positions.set(channel, outcome.at)
    if (outcome.at > seq || entry.type !== "message") return
    this.#bus?.postMessage(null)
    this.#read()
    if (++this.#added % spare === 0) void this.#prune(channel).catch(() => {}) // the next one tries it again
  }

  async #apply(tx: IDBTransaction, entry: Entry, seq: number, done: number | undefined, restored: Restored | undefined): Promise<Outcome> {
    const { channel } = entry
    const store = tx.objectStore(cursors)
    const [epoch, cursor] = (await Promise.all([result(store.get(epochKey)), result(store.get(channel))])) as [Cursor | undefined, Cursor | undefined]
    if (epoch?.epoch !== this.epoch) return undefined // it is of a store that is gone
    const at = cursor?.seq ?? -1
    if (at >= seq) return { at } // applied in another tab
    // All that this page got before it has committed. If the position is not that far, the page
    // began where another tab had not got to.
    if (cursor && at < (done ?? 0)) return { back: at }
    store.put({ channel, seq } satisfies Cursor)
    const inbox = tx.objectStore(messages)
    const { apply, applyState, revoke } = this.#persist
    switch (entry.type) {
      case "message":
        if (entry.key !== undefined) for (const key of await result(inbox.index("key").getAllKeys([channel, entry.key]))) inbox.delete(key)
        inbox.put(entry)
        await apply?.({ ...entry, epoch: this.epoch! }, tx)
        break
      case "revoke":
        inbox.delete([channel, entry.revoked])
        await revoke?.(entry, tx)
        break
      default:
        await applyState?.(restored!, tx)
    }
    return { at: seq }
  }

  /** Does something in a transaction with the application's stores, until that succeeds. */
  async #until<T>(what: string, work: (tx: IDBTransaction) => Promise<T>): Promise<T> {
    const pause = this.#host.pauses()
    while (!this.#closed) {
      try {
        return await transact(this.#db, [...this.#db.objectStoreNames].filter((name) => name !== outbox), work)
      } catch (thrown) {
        if (!this.#closed) this.#host.failed("internal", `${what}: ${wording(thrown)}`)
      }
      await new Promise((resolve) => setTimeout(resolve, pause()))
    }
    return new Promise(() => {}) // nothing follows the end
  }

  /** Removes the oldest messages of a channel if there are too many. */
  async #prune(channel: string): Promise<void> {
    await transact(this.#db, [messages], async (tx) => {
      const store = tx.objectStore(messages)
      const keys = await result(store.getAllKeys(range(channel, 0)))
      const oldest = keys[keys.length - this.#limit - 1] as [string, number] | undefined
      if (oldest) store.delete(IDBKeyRange.bound([channel, 0], oldest))
    })
  }

  /** Shows what is kept, and what comes; see Persisted.inbox. */
  show(show: (message: Message) => unknown, { channel = "", limit = 100 }: InboxOptions): () => void {
    let last = -1
    let busy = false
    let again = false
    const read = async () => {
      await this.#reset
      const tx = this.#db.transaction([cursors, messages])
      const position = (await result(tx.objectStore(cursors).get(channel))) as Cursor | undefined
      if (last > (position?.seq ?? 0)) last = -1 // the channel has begun anew
      const found = (await result(tx.objectStore(messages).getAll(range(channel, last)))) as Message[]
      const live = found.filter(({ expires = Infinity }) => expires > Date.now())
      for (const message of last < 0 ? live.slice(-limit) : live) {
        if (this.#readers.has(reader)) await guarded(show, { ...message, epoch: this.epoch! })
      }
      last = found[found.length - 1]?.seq ?? Math.max(last, 0)
    }
    const reader = async () => {
      again = true
      if (busy) return
      busy = true
      try {
        for (; again && this.#readers.has(reader); await read()) again = false
      } catch (thrown) {
        if (!this.#closed) this.#host.failed("internal", `read ${channel}: ${wording(thrown)}`)
      }
      busy = false
    }
    this.#readers.add(reader)
    void reader()
    return () => void this.#readers.delete(reader)
  }

  #read(): void {
    for (const reader of this.#readers) void reader()
  }
}

/** The messages of a channel after a sequence. */
const range = (channel: string, after: number) => IDBKeyRange.bound([channel, after], [channel, Infinity], true)
