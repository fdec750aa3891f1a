/** After so long without a sign of life the other side is asked for one, in milliseconds. */
const quiet = 10_000
/** How long it may take to give one. */
const patience = 5_000
/** A timer that is later than this was held up, as in a frozen tab: a sign of life may wait to be read. */
const late = 1_000

/** How long a silence may be at most before it is noticed. */
export const longestSilence = quiet + patience

/**
 * Does something when this tab is not frozen. Chromium freezes timers, locks and
 * connections of a page, but goes on to deliver what a BroadcastChannel brings: an
 * response sent at once would prove nothing.
 */
export const unlessFrozen = (fn: () => void): void => void navigator.locks.query().then(fn, fn)

/** Notices that another tab is silent: frozen by the browser, or busy for long. */
export class Silence {
  #timer: ReturnType<typeof setTimeout> | undefined
  readonly #ask: () => void
  readonly #noticed: () => void

  constructor(ask: () => void, noticed: () => void) {
    this.#ask = ask
    this.#noticed = noticed
  }

  /** Begins, if it has not begun. */
  watch(): void {
    this.#timer ??= setTimeout(() => this.#inquire(), quiet)
  }

  /** There was a sign of life: begins anew. */
  heard(): void {
    this.stop()
    this.watch()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #inquire(again = true): void {
    const due = Date.now() + patience
    this.#timer = setTimeout(() => {
      if (again && Date.now() > due + late) return this.#inquire(false)
      this.stop()
      this.#noticed()
    }, patience)
    this.#ask() // last: the response may arrive before it returns
  }
}
