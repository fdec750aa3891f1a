const first = 1000
const longest = 30_000
/** A connection that lasted this long makes the next wait a short one again. */
const stable = 5000

/**
 * How long to wait before the next attempt: a random time up to a limit that
 * doubles from 1 s to 30 s. Random all the way ("full jitter"), because all clients
 * of a server that restarts are cut off together.
 */
export function makeBackoff() {
  let failures = 0 // in a row
  let opened = Infinity

  return {
    /** A connection is there. */
    _opened(): void {
      opened = Date.now()
    },

    /** The next wait, in milliseconds. */
    _next(): number {
      if (Date.now() - opened > stable) failures = 0
      opened = Infinity
      return Math.random() * Math.min(longest, first * 2 ** failures++)
    },
  }
}
