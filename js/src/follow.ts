import type { Client } from "./client.js"
import { guarded } from "./emitter.js"
import type { Message } from "./frames.js"

/** What to follow, and how to show it. */
export interface FollowOptions {
  /** Default: the user's inbox. */
  channel?: string
  /**
   * Fetches the messages that are there already, oldest first. Live messages wait for
   * it; when it fails it is called again, after a pause.
   */
  history?: () => History | Promise<History>
  /** Gets each message once and in order. The next one comes when it is done. */
  message: (message: Message) => unknown
  /** The sequences began anew: remove what `message` got. History follows. */
  reset?: () => unknown
}

type History = readonly Message[] | null | undefined

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
export function follow(client: Client, options: FollowOptions): Following {
  let run = new Run(client, options, restart)

  function restart(): Run {
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
class Run {
  shown: Message | undefined
  #live = 0 // the last sequence that came live
  #over = false
  #end = () => {}
  readonly #ended = new Promise<void>((resolve) => (this.#end = resolve))
  readonly #off: (() => void)[] = []
  readonly #client: Client
  readonly #options: FollowOptions
  readonly #restart: () => Run
  readonly #ready: Promise<unknown>

  constructor(client: Client, options: FollowOptions, restart: () => Run) {
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
    await this.#join()
    const { history } = this.#options
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
      const subscription = await client.subscribe(channel, (m) => this.#take(m))
      if (this.#over) subscription.unsubscribe()
      else this.#off.push(() => subscription.unsubscribe())
      return
    }
    this.#off.push(client.on("message", (m) => m.channel === `user:${client.user}` && this.#take(m)))
    if (client.state !== "open") await new Promise<void>((resolve) => this.#off.push(client.on("open", () => resolve())))
  }

  async #take(message: Message): Promise<void> {
    if (this.#over) return
    // The client drops repeats: this is the log of a channel in memory, of a server that was started again.
    if (message.seq <= this.#live) return this.#restart().#take(message)
    this.#live = message.seq
    await this.#ready
    await this.#show(message)
  }

  async #show(message: Message): Promise<void> {
    if (this.#over || message.seq <= (this.shown?.seq ?? 0)) return
    this.shown = message
    await guarded(this.#options.message, message)
  }
}
