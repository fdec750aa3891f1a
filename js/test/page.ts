import { AsyncLocalStorage } from "node:async_hooks"

const pages = new AsyncLocalStorage<Page>()

/** What comes to a page from outside. */
export type Source = "timer" | "bus" | "lock" | "socket"

/** A page that the browser can freeze: what comes to it then waits until it is thawed. */
export class Page {
  #waiting: { source: Source; fn: () => void }[] | undefined
  #passes: Source | undefined

  /** Does something as a script of this page. */
  run<T>(fn: () => T): T {
    return pages.run(this, fn)
  }

  /** Does something of this page, when it is not frozen. */
  do(source: Source, fn: () => void): void {
    if (this.#waiting && source !== this.#passes) this.#waiting.push({ source, fn })
    else this.run(fn)
  }

  /** Freezes the page, but for one source: Chromium does not freeze the bus. */
  freeze(passes?: Source): void {
    this.#waiting = []
    this.#passes = passes
  }

  /** Thaws the page. Browsers keep an order within a source alone. */
  thaw(first: Source): void {
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    waiting.sort((a, b) => Number(b.source === first) - Number(a.source === first))
    for (const { fn } of waiting) setImmediate(() => this.run(fn))
  }
}

/** Has what comes later from a source come to the page that calls this. */
export function toThisPage(source: Source): (fn: () => void) => void {
  const page = pages.getStore()
  return page ? (fn) => page.do(source, fn) : (fn) => fn()
}
