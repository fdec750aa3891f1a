import { mock, type TestContext } from "node:test"
import "../src/wirepost-more.js" // preloaded, as from a page's cache
import "../src/wirepost-notify.js"
import { pageId, toThisPage } from "./page.js"
import { FakeServer } from "./server.js"

/** The environment of a test: a server, a clock, and tabs of one browser. */
export class World {
  readonly server = new FakeServer()
  readonly window = new EventTarget()
  readonly locks = new Locks()
  readonly logged: unknown[][] = []
  random = 0.5

  constructor(t: TestContext, options: { storage?: boolean; delay?: () => number } = {}) {
    mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_800_000_000_000 })
    const { setTimeout, clearTimeout } = globalThis
    const cleared = new Set<unknown>() // also of those that are due in a frozen tab
    define("setTimeout", (fn: () => void, ms?: number, ...args: []) => {
      const here = toThisPage("timer")
      const timer = setTimeout(() => here(() => cleared.has(timer) || fn(...args)), ms)
      return timer
    })
    define("clearTimeout", (timer: NodeJS.Timeout | undefined) => {
      cleared.add(timer)
      clearTimeout(timer)
    })
    mock.method(Math, "random", () => Math.min(this.random, 1 - Number.EPSILON))
    mock.method(console, "error", (...args: unknown[]) => void this.logged.push(args))
    const { window, server } = this
    Bus.delay = options.delay ?? (() => 0)
    const document = Object.assign(new EventTarget(), { visibilityState: "visible" })
    define("WebSocket", server.WebSocket)
    define("fetch", server.fetch)
    define("navigator", { locks: this.locks })
    define("BroadcastChannel", Bus)
    define("location", { href: "https://app.example.com/page/" })
    define("document", document)
    define("addEventListener", window.addEventListener.bind(window))
    define("removeEventListener", window.removeEventListener.bind(window))
    const storage = options.storage === false ? undefined : new Storage()
    define("localStorage", storage)
    define("sessionStorage", options.storage === false ? undefined : new Storage())
    t.after(() => {
      mock.timers.reset()
      mock.restoreAll()
    })
  }

  /** Advances the clock by some milliseconds and runs everything that is due. */
  async pass(ms = 0): Promise<void> {
    await calm()
    const end = Date.now() + ms
    for (let step = Math.max(1, Math.min(50, ms)); Date.now() < end; step = Math.min(step, end - Date.now())) {
      mock.timers.tick(step)
      await calm()
    }
  }

  /** The user comes back to the page. */
  look(): void {
    document.dispatchEvent(new Event("visibilitychange"))
  }

  /** The network comes back. */
  online(): void {
    this.window.dispatchEvent(new Event("online"))
  }

  /** The user leaves the page, which the browser may keep. */
  leave(): void {
    this.window.dispatchEvent(new Event("pagehide"))
  }

  /** Starts another page: the memory of the previous one is lost. */
  newTab(): void {
    define("sessionStorage", new Storage())
  }
}

/** Waits until nothing more happens without advancing the clock. */
export async function calm(): Promise<void> {
  for (let i = 0; i < 25; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** Does something after so many more turns of the event loop. */
function later(turns: number, fn: () => void): void {
  setImmediate(() => (turns > 0 ? later(turns - 1, fn) : fn()))
}

export function define(name: string, value: unknown): void {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })
}

class Storage {
  readonly #items = new Map<string, string>()
  getItem(name: string): string | null {
    return this.#items.get(name) ?? null
  }
  setItem(name: string, value: string): void {
    this.#items.set(name, value)
  }
}

/** A BroadcastChannel: the others receive copies, in order, asynchronously: after `delay` turns of the event loop. */
class Bus {
  static readonly all = new Set<Bus>()
  static delay = () => 0
  onmessage: ((event: { data: unknown }) => void) | null = null
  readonly name: string
  readonly #coming: unknown[] = []
  readonly #here = toThisPage("bus")
  constructor(name: string) {
    this.name = name
    Bus.all.add(this)
  }
  postMessage(data: unknown): void {
    if (!Bus.all.has(this)) throw new DOMException("closed", "InvalidStateError")
    for (const other of Bus.all) {
      if (other === this || other.name !== this.name) continue
      other.#coming.push(structuredClone(data))
      later(Bus.delay(), () => {
        const data = other.#coming.shift()
        other.#here(() => Bus.all.has(other) && other.onmessage?.({ data }))
      })
    }
  }
  close(): void {
    Bus.all.delete(this)
  }
}

interface Wait {
  name: string
  run: () => void
}

/** Web Locks, which also simulate killing a tab. */
class Locks {
  readonly #held = new Map<string, () => void>()
  readonly #holders = new Map<string, string | undefined>() // the pages
  readonly #steal = new Map<string, () => void>() // notifies the holder
  #waiting: Wait[] = []

  request(name: string, ...rest: [LockGrantedCallback<unknown>] | [{ signal?: AbortSignal; steal?: boolean }, LockGrantedCallback<unknown>]): Promise<unknown> {
    const [options, callback] = rest.length === 1 ? [{}, rest[0]] : rest
    if (options.signal && options.steal) throw new DOMException("signal and steal", "NotSupportedError")
    const here = toThisPage("lock")
    const holder = pageId()
    return new Promise((resolve, reject) => {
      const wait: Wait = {
        name,
        run: () => {
          const end = () => {
            if (this.#held.get(name) !== end) return // stolen
            this.#held.delete(name)
            this.#next()
          }
          this.#held.set(name, end)
          this.#holders.set(name, holder)
          this.#steal.set(name, () => here(() => reject(new DOMException("stolen", "AbortError"))))
          here(() => void Promise.resolve(callback({ name, mode: "exclusive" })).then(resolve, reject).finally(end))
        },
      }
      options.signal?.addEventListener("abort", () => {
        if (!this.#waiting.includes(wait)) return
        this.#waiting = this.#waiting.filter((w) => w !== wait)
        reject(new DOMException("aborted", "AbortError"))
      })
      if (!options.steal) this.#waiting.push(wait)
      setImmediate(() => {
        if (!options.steal) return this.#next()
        if (this.#held.delete(name)) this.#steal.get(name)?.()
        wait.run()
      })
    })
  }

  query(): Promise<{ held: { name: string; clientId: string | undefined }[] }> {
    const here = toThisPage("lock")
    return new Promise((resolve) => setImmediate(() => here(() => resolve({ held: this.names.map((name) => ({ name, clientId: this.#holders.get(name) })) }))))
  }

  get names(): string[] {
    return [...this.#held.keys()]
  }

  /** The name of the lock that the leading tab holds. */
  get lead(): string {
    return this.names.find((name) => name.endsWith(" leader")) ?? ""
  }

  /** Releases the locks with such names, as when the tab that holds them is killed. */
  kill(...names: string[]): void {
    for (const name of names) this.#held.get(name)?.()
  }

  #next(): void {
    for (const wait of this.#waiting) {
      if (this.#held.has(wait.name)) continue
      this.#waiting = this.#waiting.filter((w) => w !== wait)
      wait.run()
    }
  }
}
