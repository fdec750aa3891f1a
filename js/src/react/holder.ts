import type { Client } from "wirepost"

/** Holds the client of a provider from its first effect to the end of its last one. */
export class Holder {
  #client: Client | undefined
  #key: string | undefined
  #closing: ReturnType<typeof setTimeout> | undefined
  readonly #changed = new Set<() => void>()

  /**
   * Makes a client, or keeps the one of the same key. What is returned closes it a moment later:
   * StrictMode, and an edit of the program while it runs, end an effect and begin it again at once.
   */
  hold(key: string, make: () => Client): () => void {
    clearTimeout(this.#closing)
    if (this.#key !== key) this.#replace(key, make())
    return () => {
      this.#closing = setTimeout(() => this.#replace())
    }
  }

  readonly subscribe = (changed: () => void): (() => void) => {
    this.#changed.add(changed)
    return () => void this.#changed.delete(changed)
  }

  readonly client = (): Client | undefined => this.#client

  #replace(key?: string, client?: Client): void {
    this.#client?.close()
    this.#key = key
    this.#client = client
    for (const changed of this.#changed) changed()
  }
}
