import type { Frame } from "./frames.js"

interface Step {
  readonly cursor: string
  readonly channel: string
  readonly seq: number
  settled: boolean
}

/**
 * Turns acknowledgements of single channels into one over all of them, as the
 * fallbacks have it: everything before `value` is settled.
 */
export class Cursor {
  value = ""
  #steps: Step[] = []

  /** Nothing waits for its acknowledgement. */
  get idle(): boolean {
    return !this.#steps.length
  }

  /** Takes in a cursor, and the frame that stands before it. */
  add(cursor: string, frame?: Frame): void {
    const logged = frame?.type === "message" || frame?.type === "revoke"
    this.#steps.push({ cursor, channel: logged ? frame.channel : "", seq: logged ? frame.seq : 0, settled: !logged })
    this.#advance()
  }

  /** Takes in an acknowledgement. */
  settle(channel: string, seq: number): void {
    for (const step of this.#steps) {
      step.settled ||= step.channel === channel && step.seq <= seq
    }
    this.#advance()
  }

  /** Forgets what has not been settled: it will come again. */
  drop(): void {
    this.#steps = []
  }

  #advance(): void {
    while (this.#steps[0]?.settled) {
      this.value = this.#steps.shift()?.cursor || this.value
    }
  }
}
