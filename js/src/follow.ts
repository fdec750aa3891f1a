import type { Client } from "./client.js"
import { guarded } from "./emitter.js"
import type { WirepostError } from "./errors.js"
import type { Json, Message } from "./frames.js"

/** What to follow, and how to show it. */
export interface FollowOptions<T = Json | undefined> {
  /** Default: the user's inbox. */
  channel?: string
  /**
   * Fetches the messages that are there already, oldest first. Live messages wait for
   * it; when it fails it is called again, after a pause.
   */
  history?: () => History<T> | Promise<History<T>>
  /** Gets each message once and in order. The next one comes when it is done. */
  message: (message: Message<T>) => unknown
  /** The sequences began anew: remove what `message` got. History follows. */
  reset?: () => unknown
  /** The server refuses the channel; default: it is logged. */
  error?: (error: WirepostError) => unknown
}

type History<T> = readonly Message<T>[] | null | undefined

/** A channel that is followed. */
export interface Following {
  /** The user has read everything that `message` got. */
  read(): Promise<void>
  /** Ends it. */
  stop(): void
}

/**
 * Follows a channel: first its history, then what comes live, each message once. When
 * the sequences begin anew, `reset` is called, and all of it is done again.
 */
export function follow<T = Json | undefined>(client: Client, options: FollowOptions<T>): Following {
  let run = new Run(client, options, restart)

  function restart(): Run<T> {
    const before = run
    void guarded(() => options.reset?.(), undefined)
    run = new Run(client, options, restart) // has its handler before the other one is gone
    before.end()
    return run
  }

  function stop(): void {
    for (const end of off) end()
    run.end()
  }

  const off = [client.on("reset", restart), client.on("close", stop)]
  return {
    async read() {
      if (run.shown) await client.read(run.shown)
    },
    stop,
  }
}

/** From the history to the end, or to where the sequences begin anew. */
class Run<T> {
  shown: Message<T> | undefined
  #live = 0 // the last sequence that came live
  #over = false
  #end = () => {}
  readonly #ended = new Promise<void>((resolve) => (this.#end = resolve))
  readonly #off: (() => void)[] = []
  readonly #client: Client
  readonly #options: FollowOptions<T>
  readonly #restart: () => Run<T>
  readonly #ready: Promise<unknown>

  constructor(client: Client, options: FollowOptions<T>, restart: () => Run<T>) {
    this.#client = client
    this.#options = options
    this.#restart = restart
    this.#ready = Promise.race([guarded(() => this.#load(), undefined), this.#ended])
  }

  end(): void {
    this.#over = true
    this.#end()
    for (const off of this.#off) off()
  }

  /** What is published after the history was fetched comes live: so it is fetched when live messages come. */
  async #load(): Promise<void> {
    const { history, error } = this.#options
    try {
      await this.#join()
    } catch (thrown) {
      if (!error) throw thrown
      if (!this.#over) error(thrown as WirepostError)
      return
    }
    for (let pause = 1000; history && !this.#over; pause = Math.min(2 * pause, 30_000)) {
      try {
        for (const m of (await history()) ?? []) await this.#show(m)
        return
      } catch (thrown) {
        console.error("wirepost:", thrown)
      }
      await new Promise((resolve) => setTimeout(resolve, pause))
    }
  }

  async #join(): Promise<void> {
    const client = this.#client
    const { channel } = this.#options
    if (channel) {
      const subscription = await client.subscribe<T>(channel, (m) => this.#take(m))
      if (this.#over) subscription.unsubscribe()
      else this.#off.push(() => subscription.unsubscribe())
      return
    }
    this.#off.push(client.on<T>("message", (m) => m.channel === `user:${client.user}` && this.#take(m)))
    if (client.state !== "open") await new Promise<void>((resolve) => this.#off.push(client.on("open", () => resolve())))
  }

  async #take(message: Message<T>): Promise<void> {
    if (this.#over) return
    // The client drops repeats: this is the log of a channel in memory, of a server that was started again.
    if (message.seq <= this.#live) return this.#restart().#take(message)
    this.#live = message.seq
    await this.#ready
    await this.#show(message)
  }

  async #show(message: Message<T>): Promise<void> {
    if (this.#over || message.seq <= (this.shown?.seq ?? 0)) return
    this.shown = message
    await guarded(this.#options.message, message)
  }
}
