import { AsyncLocalStorage } from "node:async_hooks"

const pages = new AsyncLocalStorage<Page>()

/** What comes to a page from outside. */
export type Source = "timer" | "bus" | "lock" | "socket"

/** A page that the browser can freeze: what comes to it then waits until it is thawed. */
export class Page {
  static #count = 0
  readonly id = `page ${++Page.#count}`
  #waiting: { source: Source; fn: () => void }[] = []
  #frozen = false
  #passes: Source | undefined // while it is frozen

  /** Does something as a script of this page. */
  run<T>(fn: () => T): T {
    return pages.run(this, fn)
  }

  /** Does something of this page, when it is not frozen, after what waits from the same source. */
  do(source: Source, fn: () => void): void {
    if (this.#waits(source) || this.#waiting.some((w) => w.source === source)) this.#waiting.push({ source, fn })
    else this.run(fn)
  }

  /** Freezes the page, but for one source: Chromium does not freeze the bus. */
  freeze(passes?: Source): void {
    this.#frozen = true
    this.#passes = passes
    if (passes) this.#flush(passes)
  }

  /** Thaws the page. Browsers keep an order within a source alone. */
  thaw(first: Source): void {
    this.#frozen = false
    this.#flush(first)
  }

  #waits(source: Source): boolean {
    return this.#frozen && source !== this.#passes
  }

  #flush(first: Source): void {
    setImmediate(() => {
      const ready = this.#waiting.filter(({ source }) => !this.#waits(source))
      const next = ready.find(({ source }) => source === first) ?? ready[0]
      if (!next) return
      this.#waiting.splice(this.#waiting.indexOf(next), 1)
      this.run(next.fn)
      this.#flush(first)
    })
  }
}

/** Has what comes later from a source come to the page that calls this. */
export function toThisPage(source: Source): (fn: () => void) => void {
  const page = pages.getStore()
  return page ? (fn) => page.do(source, fn) : (fn) => fn()
}

/** The page that calls this, as Web Locks name it. */
export const pageId = (): string | undefined => pages.getStore()?.id
