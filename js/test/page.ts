import { AsyncLocalStorage } from "node:async_hooks"

const pages = new AsyncLocalStorage<Page>()

/** The sources of events outside a page. */
export type Source = "timer" | "bus" | "lock" | "socket"

/** A page that the browser can freeze: its events then wait until it is thawed. */
export class Page {
  static #count = 0
  readonly id = `page ${++Page.#count}`
  #waiting: { source: Source; fn: () => void }[] = []
  #frozen = false
  #passes: readonly Source[] = [] // while it is frozen

  /** Runs a function as a script of this page. */
  run<T>(fn: () => T): T {
    return pages.run(this, fn)
  }

  /** Runs a function of this page once it is not frozen, after those waiting from the same source. */
  do(source: Source, fn: () => void): void {
    if (this.#waits(source) || this.#waiting.some((w) => w.source === source)) this.#waiting.push({ source, fn })
    else this.run(fn)
  }

  /** Freezes the page, except for some sources: Chromium does not freeze the bus. */
  freeze(...passes: readonly Source[]): void {
    this.#frozen = true
    this.#passes = passes
    if (passes[0]) this.#flush(passes[0])
  }

  /** Thaws the page. Browsers preserve order only within a source. */
  thaw(first: Source): void {
    this.#frozen = false
    this.#flush(first)
  }

  #waits(source: Source): boolean {
    return this.#frozen && !this.#passes.includes(source)
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

/** Returns a function that runs later events of a source in the calling page. */
export function toThisPage(source: Source): (fn: () => void) => void {
  const page = pages.getStore()
  return page ? (fn) => page.do(source, fn) : (fn) => fn()
}

/** The page that calls this, as Web Locks name it. */
export const pageId = (): string | undefined => pages.getStore()?.id
