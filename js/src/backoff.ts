import { WirepostError } from "./errors.js"
import { longestTimer } from "./limits.js"

/** How long a client waits before it connects again: a random time up to a limit that grows. */
export interface Backoff {
  /** The first limit, in milliseconds; default: 1000. */
  min?: number
  /** The highest limit, in milliseconds; default: 30 000. */
  max?: number
  /** What the limit is multiplied by with each attempt; default: 2. */
  factor?: number
  /** How much of the limit is random, 0 to 1; default: 1, because all clients of a server that restarts are cut off together. */
  jitter?: number
}

/** A connection that lasted this long makes the next wait a short one again. */
const stable = 5000

/**
 * Returns what says how long to wait before the next attempt.
 *
 * @throws WirepostError `bad_request` for a value that makes no sense
 */
export function makeBackoff({ min = 1000, max = Math.max(min, 30_000), factor = 2, jitter = 1 }: Backoff = {}) {
  const check = (name: string, ok: boolean) => {
    if (!ok) throw new WirepostError("bad_request", `bad backoff.${name}`)
  }
  check("min", min > 0)
  check("max", max >= min && max <= longestTimer)
  check("factor", factor >= 1)
  check("jitter", jitter >= 0 && jitter <= 1)
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
      return (1 - jitter + jitter * Math.random()) * Math.min(max, min * factor ** failures++)
    },
  }
}
