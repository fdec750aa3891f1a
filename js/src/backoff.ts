const first = 1000
const longest = 30_000

/**
 * How long to wait before the next attempt: a random time up to a limit that
 * doubles from 1 s to 30 s. Random all the way ("full jitter"), because all clients
 * of a server that restarts are cut off together.
 */
export class Backoff {
  #attempts = 0

  /** The next wait, in milliseconds. */
  next(): number {
    return Math.random() * Math.min(longest, first * 2 ** this.#attempts++)
  }

  /** Begins anew, after a connection that lasted. */
  reset(): void {
    this.#attempts = 0
  }
}
