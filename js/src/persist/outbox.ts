import type { ErrorCode, WirepostError } from "../errors.js"
import { wording } from "../errors.js"
import type { Request, Result } from "../frames.js"
import type { Host, Waiting } from "../persisted.js"
import { outbox, result, transact } from "./database.js"

type Publish = Extract<Request, { readonly type: "publish" }>

/** A publish as it is stored, by the tab that sends it. */
interface Stored {
  readonly key: number
  readonly tab: string
  readonly request: Publish
}

/** A publish that this tab sends, for a caller or for a page that is gone. */
interface Item {
  readonly key: number
  readonly request: Publish
  readonly resolve?: (result: Result) => void
  readonly reject?: (error: WirepostError) => void
}

/** The server refuses these however often it is asked. */
const final: readonly ErrorCode[] = ["bad_request", "forbidden", "not_found", "too_large"]

/**
 * What this user has published and the server has not acknowledged. Each tab sends what it
 * has stored, one after the other, and what tabs have left that are gone. The server knows
 * by the id what it has already.
 */
export class Outbox {
  readonly #db: IDBDatabase
  readonly #host: Host
  readonly #limit: number
  readonly #tab = String(Math.random()) // unique among the tabs of a user
  readonly #lock: string
  #queue: Item[] = [] // in order
  #sending = false
  #sent: Item | undefined // the first one, while its response is awaited
  #adopted: Promise<void> | undefined // an attempt to do so
  #pause: (() => number) | undefined // after one that failed
  #again: ReturnType<typeof setTimeout> | undefined
  readonly #others = new Set<string>() // tabs with something in the outbox
  #release = () => {}
  readonly #leave = new AbortController()
  #closed: WirepostError | undefined

  constructor(db: IDBDatabase, host: Host, limit: number) {
    this.#db = db
    this.#host = host
    this.#limit = limit
    this.#lock = `wirepost outbox:${db.name} `
  }

  /** Shows other tabs that this one lives, and takes over what tabs have left that are gone. */
  async open(): Promise<void> {
    const locks = globalThis.navigator?.locks
    if (locks) {
      await new Promise<void>((held) => {
        const released = new Promise<void>((release) => (this.#release = release))
        locks.request(this.#lock + this.#tab, () => (held(), released)).catch(() => held())
      })
    }
    this.adopt()
    await this.#adopted
  }

  /**
   * Takes over what tabs have left that are gone, or where there are no locks all of it, and
   * sends it. Where that fails, as when the disk is full, it tries again after a pause.
   */
  adopt(): void {
    this.#adopted = this.#takeOver().then(
      () => (this.#pause = undefined),
      (thrown: unknown) => {
        if (this.#closed) return
        this.#host.failed("internal", `outbox: ${wording(thrown)}`)
        clearTimeout(this.#again)
        this.#again = setTimeout(() => this.adopt(), (this.#pause ??= this.#host.pauses())())
      },
    )
    void this.#adopted.then(() => this.#send())
  }

  close(reason: WirepostError): void {
    this.#closed = reason
    this.#release()
    this.#leave.abort()
    clearTimeout(this.#again)
    for (const { reject } of this.#queue) reject?.(reason) // they remain stored
  }

  async #takeOver(): Promise<void> {
    const locks = globalThis.navigator?.locks
    const { held = [] } = (await locks?.query()) ?? {}
    const alive = new Set(held.map(({ name }) => name))
    const mine = new Set(this.#queue.map(({ key }) => key))
    const left = await transact(this.#db, [outbox], async (tx) => {
      const store = tx.objectStore(outbox)
      const left: Item[] = []
      for (const item of (await result(store.getAll())) as Stored[]) {
        if (mine.has(item.key) || item.tab === this.#tab) continue
        if (alive.has(this.#lock + item.tab)) {
          this.#await(item.tab)
          continue
        }
        store.put({ ...item, tab: this.#tab } satisfies Stored)
        left.push(item)
      }
      return left
    })
    this.#queue.push(...left)
    const first = (item: Item) => (item === this.#sent ? 0 : item.key)
    this.#queue.sort((a, b) => first(a) - first(b))
  }

  /** Takes over from a tab when it is gone, as one may soon be that is being reloaded. */
  #await(tab: string): void {
    if (this.#others.has(tab)) return
    this.#others.add(tab)
    navigator.locks.request(this.#lock + tab, { signal: this.#leave.signal }, () => void setTimeout(() => this.adopt())).catch(() => {}) // closed
  }

  /** What waits, of all tabs. */
  async waiting(): Promise<readonly Waiting[]> {
    const all = (await result(this.#db.transaction(outbox).objectStore(outbox).getAll())) as Stored[]
    return all.map(({ request: { type: _, ...waiting } }) => waiting)
  }

  /** Stores a publish, and resolves when the server has acknowledged it. */
  async publish(request: Publish, signal: AbortSignal | undefined): Promise<Result> {
    const refuse = (message: string) => this.#host.error("unavailable", `the outbox does not take it: ${message}`)
    if (this.#closed) throw this.#closed
    let full = false
    const key = await transact(
      this.#db,
      [outbox],
      async (tx) => {
        const store = tx.objectStore(outbox)
        full = (await result(store.count())) >= this.#limit
        return full ? 0 : ((await result(store.add({ tab: this.#tab, request }))) as number)
      },
      "strict",
    ).catch((thrown: unknown) => {
      throw refuse(wording(thrown))
    })
    if (full) throw refuse(`${this.#limit} messages wait`)
    let abort = () => {}
    return new Promise<Result>((resolve, reject) => {
      const item = { key, request, resolve, reject }
      abort = () => {
        if (this.#sent !== item) void this.#remove(item)
        reject(this.#host.error("aborted", wording(signal?.reason)))
      }
      if (this.#closed) return reject(this.#closed)
      this.#queue.push(item)
      if (signal?.aborted) abort()
      else signal?.addEventListener("abort", abort)
      void this.#send()
    }).finally(() => signal?.removeEventListener("abort", abort))
  }

  /** Sends what waits, one after the other. */
  async #send(): Promise<void> {
    if (this.#sending) return
    this.#sending = true
    await this.#adopted // what is older comes first
    const pause = this.#host.pauses()
    for (let item = this.#queue[0]; item && this.#host.isOpen(); item = this.#queue[0]) {
      this.#sent = item
      try {
        const result = await this.#host.request(item.request)
        await this.#remove(item)
        item.resolve?.(result)
      } catch (thrown) {
        const { code = "internal", message } = thrown as WirepostError
        if (this.#closed) break
        if (!final.includes(code)) await new Promise((resolve) => setTimeout(resolve, pause()))
        else {
          await this.#remove(item)
          if (item.reject) item.reject(thrown as WirepostError)
          else this.#host.failed(code, `publish ${item.request.id} to ${item.request.to}: ${message}`)
        }
      }
    }
    this.#sending = false
    this.#sent = undefined
  }

  async #remove(item: Item): Promise<void> {
    this.#queue = this.#queue.filter((other) => other !== item)
    await transact(this.#db, [outbox], (tx) => result(tx.objectStore(outbox).delete(item.key))).catch((thrown: unknown) => {
      if (!this.#closed) this.#host.failed("internal", `remove from the outbox: ${wording(thrown)}`) // it is sent again with the next page: the server knows it
    })
  }
}
