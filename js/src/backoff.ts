const first = 1000
const longest = 30_000
/** A connection that lasted this long makes the next wait a short one again. */
const stable = 5000

/**
 * How long to wait before the next attempt: a random time up to a limit that
 * doubles from 1 s to 30 s. Random all the way ("full jitter"), because all clients
 * of a server that restarts are cut off together.
 */
export class Backoff {
  #failures = 0 // in a row
  #opened = Infinity

  /** A connection is there. */
  opened(): void {
    this.#opened = Date.now()
  }

  /** The next wait, in milliseconds. */
  next(): number {
    if (Date.now() - this.#opened > stable) this.#failures = 0
    this.#opened = Infinity
    return Math.random() * Math.min(longest, first * 2 ** this.#failures++)
  }
}
